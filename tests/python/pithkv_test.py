"""pithkv: the same engine from Python."""

import threading

import pytest

DOCUMENT = "The code of the shed is HERON-4471. Berit signs for the fuel. The key hangs in the clock. " * 4


@pytest.fixture(scope="module")
def engine(pithkv, tiny):
    return pithkv.Engine(tiny, threads=1)


def test_reads_compresses_and_asks(engine):
    whole = engine.read(DOCUMENT, recipes=["knorm @ 2x", "snapkv @ 4x"])
    small = whole.compress("snapkv @ 4x")
    assert small.cache_bytes < whole.cache_bytes and small.entries < whole.entries
    assert (small.tokens, small.recipe, whole.recipe) == (whole.tokens, "snapkv @ 4x", "full")
    answer = small.ask("Who signs?", max_tokens=5)
    assert len(answer.tokens) <= 5 and answer.stop_reason in {"max_tokens", "end_of_text"}
    assert small.ask("Who signs?", max_tokens=5).tokens == answer.tokens
    assert whole.fork().ask("Who signs?", max_tokens=5).tokens == whole.ask("Who signs?", max_tokens=5).tokens


def test_recipes_that_look_at_the_question_need_it(pithkv, engine):
    recipe = "s0_question_aware @ 2x"
    whole = engine.read(DOCUMENT, recipes=[recipe])
    with pytest.raises(pithkv.Error, match="question") as raised:
        whole.compress(recipe)
    assert raised.value.code == "bad_input"
    assert whole.compress(recipe, question="Who signs?").cache_bytes < whole.cache_bytes


@pytest.mark.parametrize(
    "code, call",
    [
        ("not_found", lambda p, e: p.Engine("nowhere.gguf")),
        ("bad_recipe", lambda p, e: e.read("text", recipes=["snapvk @ 2x"])),
        ("bad_input", lambda p, e: e.read("")),
        ("bad_input", lambda p, e: p.parse_config("sute: kv")),
    ],
)
def test_errors_say_what_and_carry_a_code(pithkv, engine, code, call):
    with pytest.raises(pithkv.Error) as raised:
        call(pithkv, engine)
    assert raised.value.code == code


def test_computing_lets_other_threads_run(engine):
    ticks, stop = [0], threading.Event()

    def tick():
        while not stop.is_set():
            ticks[0] += 1

    other = threading.Thread(target=tick)
    other.start()
    before = ticks[0]
    engine.read(DOCUMENT * 6)
    during = ticks[0] - before
    stop.set()
    other.join()
    assert during > 100


def test_suites_and_recipes(pithkv):
    assert {"needles", "ruler"} <= {suite["suite"] for suite in pithkv.suites()}
    assert pithkv.canonical_recipe("knorm @ 2x") == "knorm + uniform + drop + bf16 @ 2x"


def test_has_type_hints(pithkv):
    from conftest import PACKAGE

    stub = (PACKAGE / "pithkv" / "_core.pyi").read_text()
    assert "class Engine" in stub and "def compress(self, recipe: str" in stub
    assert (PACKAGE / "pithkv" / "py.typed").exists()
