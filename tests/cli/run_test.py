"""The main job with a tiny random model: what it says does not matter, what it reports does."""

from pathlib import Path

import pytest

KEYS = {
    "model", "model_name",
    "question", "answer", "recipe", "sees_question", "n_context_tokens", "entries", "cache_bytes", "full_bytes", "ratio",
    "prefill_s", "compress_s", "decode_tok_s", "stop_reason", "n_answer_tokens", "peak_bytes", "rss_bytes", "numerics",
    "isa", "cache_type",
}  # fmt: skip


def ask(pith, tiny, document, *more):
    result = pith("run", "-m", tiny, "-f", document, "--max-tokens", 8, "-q", "What is the code?", *more)
    assert result.code == 0, result.err
    return result


def test_one_json_object_per_answer(pith, tiny, document):
    answers = ask(pith, tiny, document, "-q", "Who signs?", "--kv", "knorm @ 0.5", "--kv", "streaming_llm @ 4x", "--json").json
    assert [(a["question"], a["recipe"]) for a in answers] == [
        (question, recipe)
        for question in ("What is the code?", "Who signs?")
        for recipe in ("full", "knorm @ 0.5", "streaming_llm @ 4x")
    ]
    for answer in answers:
        assert KEYS <= set(answer)
        assert answer["sees_question"] is False
        assert 0 < answer["n_answer_tokens"] <= 8


def test_compressed_caches_are_smaller(pith, tiny, document):
    full, half = ask(pith, tiny, document, "--kv", "knorm @ 0.5", "--json", "--kv", "full").json
    assert half["entries"] == pytest.approx(full["entries"] / 2, rel=0.05)
    assert half["cache_bytes"] < 0.75 * full["cache_bytes"]
    assert half["peak_bytes"] >= full["cache_bytes"]
    assert full["cache_type"] == "bf16"


def test_exact_keeps_f32(pith, tiny, document):
    (answer,) = ask(pith, tiny, document, "--kv", "full", "--exact", "--json").json
    assert (answer["cache_type"], answer["numerics"]) == ("f32", "exact")
    assert answer["cache_bytes"] > 1.5 * answer["full_bytes"]


def test_what_a_compressed_cache_repeats_is_checked(pith, tiny, document):
    recipes = ("--kv", "full", "--kv", "streaming_llm @ 2x", "--kv", "question_attention @ 0.5")
    result = ask(pith, tiny, document, *recipes)
    (line,) = [line for line in result.out.splitlines() if line.startswith("check: ")]
    assert "streaming_llm @ 2x" in line and "samples of the document" in line  # a random model repeats nothing
    full, small, asks = ask(pith, tiny, document, *recipes, "--json").json
    assert "check" not in full and "check" not in asks
    assert set(small["check"]) == {"repeats", "known", "rise", "spans", "lost_elsewhere", "check_s"}
    assert (small["check"]["repeats"] is None) == (small["check"]["known"] == 0)
    assert small["check"]["spans"] >= 1
    assert small["check"]["lost_elsewhere"] is None  # nobody measured this model


def test_it_is_not_checked_where_nobody_asks(pith, tiny, document):
    assert "check: " not in ask(pith, tiny, document, "--kv", "streaming_llm @ 2x", "--no-check").out
    assert "check: " not in ask(pith, tiny, document, "--kv", "streaming_llm @ 2x", "--when", "chunk:64").out


def test_where_the_range_has_no_room_for_a_check_it_says_so(pith, make_model, document):
    tokens = ask(pith, make_model("wide", context=4096), document, "--kv", "full", "--json").json[0]["n_context_tokens"]
    result = ask(pith, make_model("narrow", context=tokens + 60), document, "--kv", "knorm @ 2x")
    assert "the caches are not checked: " in result.err
    assert "check: " not in result.out


def test_the_same_run_gives_the_same_answers(pith, tiny, document):
    options = ("--kv", "snapkv @ 0.5", "--kv", "keydiff @ 2x", "--json", "--threads", 2)
    first, second = (ask(pith, tiny, document, *options).json for _ in range(2))
    assert [a["answer"] for a in first] == [a["answer"] for a in second]


def test_full_is_added_first_and_once(pith, tiny, document):
    answers = ask(pith, tiny, document, "--kv", "knorm @ 0.5", "--kv", "full", "--kv", "knorm @ 0.5", "--json").json
    assert [a["recipe"] for a in answers] == ["full", "knorm @ 0.5"]


def test_recipes_that_see_the_question_are_marked(pith, tiny, document):
    recipe = "question_attention @ 0.5"
    answers = ask(pith, tiny, document, "-q", "Who signs?", "--kv", recipe, "--json").json
    assert [a["sees_question"] for a in answers] == [True, True]
    assert "sees the question" in ask(pith, tiny, document, "--kv", recipe).out


def test_a_default_recipe_is_named(pith, tiny, document):
    result = ask(pith, tiny, document)
    assert "no --kv given" in result.err
    assert "kvzip_plus + global + int4 @ 4x" in result.out


def test_table_counts_right_answers(pith, tiny, document, tmp_path):
    questions, expected = tmp_path / "questions.txt", tmp_path / "answers.txt"
    questions.write_text("# two questions\n\nWho signs?\nWhere is the key?\n")
    expected.write_text("Berit | Aas\nclock\n")
    result = pith("run", "-m", tiny, "-f", document, "--questions", questions, "--answers", expected, "--max-tokens", 4,
                  "--kv", "full")  # fmt: skip
    assert result.code == 0, result.err
    row = next(line for line in result.out.splitlines() if line.startswith("full "))
    assert row.split()[1] in {"0/2", "1/2", "2/2"}
    for title in ("recipe", "right", "entries", "bytes", "×", "stored as", "prefill s", "compress s", "decode tok/s", "peak bytes"):
        assert title in result.out


def test_the_demo_has_an_answer_for_each_question(pith, tiny, document):
    demo = Path(__file__).parents[2] / "demo"
    result = pith("run", "-m", tiny, "-f", document, "--questions", demo / "questions.txt", "--answers", demo / "answers.txt",
                  "--max-tokens", 1, "--kv", "full", "--json")  # fmt: skip
    assert result.code == 0, result.err
    assert [one["expected"] for one in result.json][:2] == ["HERON-4471", "Berit Aas"]
    assert len(result.json) == 5


def test_answers_have_no_comments(pith, tiny, document, tmp_path):
    expected = tmp_path / "answers.txt"
    expected.write_text("#4711\n\nclock\n\n")  # the second question is not judged; the last line is none
    result = pith("run", "-m", tiny, "-f", document, "-q", "a?", "-q", "b?", "-q", "c?", "--answers", expected, "--max-tokens", 2,
                  "--kv", "full", "--json")  # fmt: skip
    assert [one["expected"] for one in result.json] == ["#4711", "", "clock"], result.err
    assert [one["right"] is None for one in result.json] == [False, True, False]


def test_a_byte_order_mark_is_no_text(pith, tiny, tmp_path):
    runs = []
    for mark in (b"", b"\xef\xbb\xbf"):
        for name, text in (("text", b"The key hangs in the clock."), ("questions", b"# one\nWhere?\n"), ("answers", b"clock\n")):
            (tmp_path / name).write_bytes(mark + text)
        files = ("-f", tmp_path / "text", "--questions", tmp_path / "questions", "--answers", tmp_path / "answers")
        (answer,) = pith("run", "-m", tiny, *files, "--kv", "full", "--max-tokens", 2, "--json").json
        runs.append([answer[key] for key in ("question", "expected", "n_context_tokens", "answer")])
    assert runs[0] == runs[1]


def test_saved_caches_answer_the_same(pith, tiny, document, tmp_path):
    saved = tmp_path / "cache.pith"
    (direct,) = ask(pith, tiny, document, "--kv", "snapkv @ 0.5", "--save", saved, "--json").json
    loaded = pith("run", "-m", tiny, "--load", saved, "-q", "What is the code?", "--max-tokens", 8, "--json")
    assert loaded.code == 0, loaded.err
    assert loaded.json[0]["answer"] == direct["answer"]
    assert loaded.json[0]["entries"] == direct["entries"]
    assert loaded.json[0]["n_context_tokens"] == direct["n_context_tokens"]


def test_a_cache_can_be_saved_without_a_question(pith, tiny, document, tmp_path):
    saved = tmp_path / "cache.pith"
    assert pith("run", "-m", tiny, "-f", document, "--kv", "knorm @ 0.5", "--save", saved).code == 0
    (shown,) = pith("inspect", saved, "--json").json
    assert shown["kind"] == "cache"
    assert shown["recipe"].startswith("knorm")
    assert sum(layer["entries"] for layer in shown["layers"]) == shown["entries"]


def test_a_saved_cache_without_a_question_is_told_as_json(pith, tiny, document, tmp_path):
    save = ["run", "-m", tiny, "-f", document, "--kv", "knorm @ 0.5", "--save", tmp_path / "z.pith", "--json"]
    (cache,) = pith(*save).json
    (answered,) = pith(*save, "-q", "Who?", "--max-tokens", 2).json
    for key in ("recipe", "recipe_canonical", "entries", "cache_bytes", "full_bytes", "cache_type", "n_context_tokens"):
        assert cache[key] == answered[key], key
    assert cache["ratio"] == pytest.approx(cache["full_bytes"] / cache["cache_bytes"])
    assert cache["peak_bytes"] >= cache["cache_bytes"]
    assert "answer" not in cache


def test_exact_says_that_a_saved_cache_stays_as_it_is(pith, tiny, document, tmp_path):
    assert pith("run", "-m", tiny, "-f", document, "--kv", "knorm @ 0.5", "--save", tmp_path / "fast.pith").code == 0
    result = pith("run", "-m", tiny, "-q", "Who?", "--max-tokens", 2, "--json", "--exact", "--load", tmp_path / "fast.pith")
    assert (result.json[0]["numerics"], result.json[0]["cache_type"]) == ("exact", "bf16")
    assert "fast.pith stays stored as it is (bf16)" in result.err


@pytest.mark.parametrize("command", [["run", "-q", "?"], ["generate"]], ids=" ".join)
def test_recipes_that_count_turns_are_refused_before_reading(fails, command):
    fails(*command, "-f", "no_such_document", "--kv", "knorm + turn_quota @ 0.5", words=["turn_quota", "a document has none", "--suite transcript"])


def test_the_document_may_come_from_a_pipe(pith, tiny):
    result = pith("run", "-m", tiny, "-f", "-", "-q", "Who?", "--max-tokens", 4, "--kv", "full", "--json", input="The ferry is late.")
    assert result.code == 0, result.err
    assert result.json[0]["n_context_tokens"] > 5


def test_models_are_found_by_name(pith, tiny, document):
    result = pith("run", "-m", "tiny", "-f", document, "-q", "?", "--kv", "full", "--max-tokens", 1, "--json",
                  env={"PITH_MODELS": str(tiny.parent)})  # fmt: skip
    assert result.code == 0, result.err
