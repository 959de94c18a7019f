"""When a recipe runs: --when of every command that takes it."""

TEXT = "hello the and in " * 24


def test_generate_compresses_while_it_writes(pith, tiny):
    (result,) = pith("generate", "-m", tiny, "-p", TEXT, "--kv", "knorm @ 16tok", "--when", "every:8", "--max-tokens", 33,
                     "--json").json  # fmt: skip
    assert result["when"] == "every:8"
    assert result["compressions"] == (result["n_tokens"] - 1) // 8
    assert result["end_bytes"] < result["peak_bytes"]


def test_generate_waits_until_the_budget_can_be_met(pith, tiny):
    arguments = ["generate", "-m", tiny, "-p", "hello", "--kv", "snapkv @ 4x", "--max-tokens", 12, "--json"]
    for when in ("every:4", "over:1KiB"):
        result = pith(*arguments, "--when", when)
        assert result.json[0]["compressions"] == 0 and result.json[0]["text"]
        assert "before the budget could be met" in result.err


def test_generate_compresses_when_the_cache_is_over(pith, tiny):
    (result,) = pith("generate", "-m", tiny, "-p", TEXT, "--kv", "knorm @ 16tok", "--when", "over:1KiB", "--max-tokens", 4,
                     "--json").json  # fmt: skip
    assert result["compressions"] >= 1 and result["cache_bytes"] < result["full_bytes"]


def test_run_reads_in_chunks_and_shows_the_peak(pith, tiny, tmp_path):
    document = tmp_path / "text.txt"
    document.write_text(TEXT * 4)
    arguments = ["run", "-m", tiny, "-f", document, "-q", "what?", "--kv", "knorm @ 32tok", "--max-tokens", 2, "--json"]
    (whole,) = pith(*arguments).json
    (chunked,) = pith(*arguments, "--when", "chunk:16").json
    assert (whole["when"], chunked["when"]) == ("prefill", "chunk:16")
    assert chunked["peak_bytes"] < whole["peak_bytes"]
    assert chunked["entries"] == whole["entries"]


def test_bench_reads_its_depth_in_chunks(pith, tiny):
    (result,) = pith("bench", "-m", tiny, "--prompt", 0, "--generate", 2, "--depth", 96, "--kv", "knorm @ 16tok", "--when", "chunk:16",
                     "--repeat", 1, "--no-ceilings", "--json").json  # fmt: skip
    assert result["cache_bytes"] < result["peak_bytes"] < result["full_bytes"]


def test_schedules_that_make_no_sense_are_refused(fails, tiny):
    fails("generate", "-m", tiny, "-p", "a", "--when", "turn", code=2, words=["turn", "every:128"])
    fails("generate", "-m", tiny, "-p", "a", "--when", "sometimes", code=2, words=["sometimes", "is no schedule"])
    fails("bench", "-m", tiny, "--when", "every:4", code=2, words=["every:4", "chunk:512"])
    fails("chat", "-m", tiny, "--when", "chunk:4", input="", code=2, words=["chunk:4", "over:64MiB"])
