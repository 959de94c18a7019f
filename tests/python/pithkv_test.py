"""pithkv: the same engine from Python."""

import json
import sys
import threading
import time

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


def test_a_single_recipe_need_not_be_in_a_list(pithkv, engine):
    assert engine.read(DOCUMENT, recipes="snapkv @ 4x").compress("snapkv @ 4x").recipe == "snapkv @ 4x"
    config = pithkv.RunConfig()
    config.recipes = "snapkv @ 4x"
    assert config.recipes == ["snapkv @ 4x"]


def test_long_calls_tell_how_far_they_are_and_give_up(pithkv, engine):
    told = []
    engine.read(DOCUMENT, recipes=["kvzip_plus + global @ 2x"], on_progress=lambda *how: told.append(how))
    assert {what for what, _, _ in told} == {"reading", "replaying"}
    assert all(0 <= done <= all_ for _, done, all_ in told)
    with pytest.raises(pithkv.Error) as raised:
        engine.read(DOCUMENT, on_progress=lambda *how: False)
    assert raised.value.code == "cancelled"


def test_a_compressed_cache_is_checked_against_the_whole_one(pithkv, engine):
    whole = engine.read(DOCUMENT, recipes=["knorm @ 2x"])
    assert whole.check(whole.fork()).rise == 0
    check = whole.check(whole.compress("knorm @ 2x"))
    assert check.rise != 0 and check.spans >= 1
    assert check.repeats <= 1 or check.known == 0  # nan: a random model repeats nothing
    with pytest.raises(pithkv.Error, match="different texts"):
        whole.check(engine.read("Another document."))


def test_what_a_callback_raises_is_raised(engine):
    def fail(*_):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        engine.read(DOCUMENT, on_progress=fail)
    whole = engine.read(DOCUMENT)
    with pytest.raises(KeyError, match="mine"):
        whole.ask("Who signs?", max_tokens=8, on_text=fail)


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


def test_runs_refuse_engines_that_look_at_the_batch(pithkv, engine, tiny, tmp_path):
    settings = pithkv.parse_config(f"model: {json.dumps(tiny)}\nsuite: kv\ntokens: 400\ncontexts: 1\nkv: [knorm @ 2x]\n")
    for call in (lambda: pithkv.run_eval(engine, settings, tmp_path / "whole"), lambda: pithkv.run_eval_item(engine, settings, 0, tmp_path / "item")):
        with pytest.raises(pithkv.Error, match="load_for") as raised:
            call()
        assert raised.value.code == "bad_input"


def test_computing_lets_other_threads_run(engine):
    ticks, stop = [0], threading.Event()

    def tick():
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(1e-4)

    usual = sys.getswitchinterval()
    sys.setswitchinterval(100)  # from here on the interpreter changes threads only where one gives it up
    other = threading.Thread(target=tick)
    try:
        other.start()
        during = 0
        for _ in range(50):  # a busy machine may not find time for the other thread at once
            before = ticks[0]
            engine.read(DOCUMENT * 6)
            during += ticks[0] - before
            if during > 0:
                break
    finally:
        stop.set()
        sys.setswitchinterval(usual)
    other.join()
    assert during > 0


def test_suites_and_recipes(pithkv):
    assert {"needles", "ruler"} <= {suite["suite"] for suite in pithkv.suites()}
    assert pithkv.canonical_recipe("knorm @ 2x") == "knorm + uniform + drop + bf16 @ 2x"


def test_has_type_hints(pithkv):
    from conftest import PACKAGE

    stub = (PACKAGE / "pithkv" / "_core.pyi").read_text()
    assert "class Engine" in stub and "def compress(self, recipe: str" in stub
    assert (PACKAGE / "pithkv" / "py.typed").exists()
