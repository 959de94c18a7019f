"""The smaller commands, and how all of them behave in pipes."""

import fcntl
import os
import pty
import struct
import subprocess
import termios

import pytest
from conftest import PITH, ROOT


def test_tokenize_gives_ids_and_pieces(pith, tiny):
    (result,) = pith("tokenize", "-m", tiny, "hello the", "--json").json
    assert result["n_tokens"] == len(result["ids"]) == len(result["pieces"])
    assert "".join(result["pieces"]) == "hello the"
    assert pith("tokenize", "-m", tiny, "hello the", "--count").out == f"{result['n_tokens']}\n"
    (counted,) = pith("tokenize", "-m", tiny, "hello the", "--count", "--json").json
    assert counted == {"model": "tiny", "tokenizer": result["tokenizer"], "n_tokens": result["n_tokens"]}


def test_tokenize_reads_control_tokens_only_when_asked(pith, tiny):
    plain, special = (
        pith("tokenize", "-m", tiny, "<|im_end|>", "--json", *more).json[0]["n_tokens"] for more in ([], ["--special"])
    )
    assert (plain > 1, special) == (True, 1)


def test_generate_stops_and_repeats(pith, tiny):
    command = ("generate", "-m", tiny, "-p", "hello", "--max-tokens", 6, "--temperature", 1, "--seed", 3, "--json")
    (first,), (second,) = pith(*command).json, pith(*command).json
    assert first["text"] == second["text"]
    assert first["n_tokens"] <= 6
    assert first["stop_reason"] in {"max_tokens", "end_of_text"}


def test_generate_from_a_compressed_cache(pith, tiny):
    (result,) = pith("generate", "-m", tiny, "-p", "hello the and in " * 8, "--kv", "streaming_llm @ 0.5", "--max-tokens", 4, "--json").json
    assert result["cache_bytes"] < result["full_bytes"]


@pytest.mark.parametrize("recipe", ["full", "knorm @ 0.5"])
def test_generate_counts_the_peak_with_its_tables(pith, tiny, recipe):
    (result,) = pith("generate", "-m", tiny, "-p", "hello", "--kv", recipe, "--max-tokens", 4, "--json").json
    assert result["peak_bytes"] >= max(result["cache_bytes"], result["end_bytes"])


def test_inspect_shows_what_a_model_is(pith, tiny):
    (shown,) = pith("inspect", tiny, "--json", "--tensors").json
    assert shown["config"]["architecture"] == "qwen2"
    assert shown["types"]["F32"]["tensors"] == shown["n_tensors"] == len(shown["tensors"])
    text = pith("inspect", tiny).out
    assert "context_length" in text and "tokenizer.ggml.tokens" in text


def test_inspect_shows_models_that_cannot_run(pith, make_model):
    result = pith("inspect", make_model("unknown", architecture="abacus"), "--json")
    assert result.code == 0, result.err
    assert "abacus" in result.json[0]["cannot_run"]


def test_inspect_names_models_as_caches_do(pith, fails, tiny, document, tmp_path):
    saved = tmp_path / "cache.pith"
    assert pith("run", "-m", tiny, "-f", document, "--kv", "full", "--save", saved).code == 0
    (model,), (cache,) = pith("inspect", tiny, "--json").json, pith("inspect", saved, "--json").json
    assert model["model_hash"] == cache["model_hash"]
    assert cache["model_name"] == model["config"]["name"] == "tiny qwen2"
    assert ["model_hash", model["model_hash"]] in [line.split() for line in pith("inspect", tiny).out.splitlines()]
    fails("inspect", saved, "--tensors", code=2, words=["--tensors", "saved cache"])
    fails("inspect", document, words=["document.txt", "GGUF", "PITHCTX"])


def test_the_model_has_one_name_everywhere(pith, tiny, document):
    (generated,) = pith("generate", "-m", tiny, "-p", "hello", "--max-tokens", 2, "--json").json
    (benched,) = pith("bench", "-m", tiny, "--prompt", 4, "--generate", 0, "--repeat", 1, "--no-ceilings", "--json").json
    (answer,) = pith("run", "-m", tiny, "-f", document, "-q", "?", "--kv", "full", "--max-tokens", 2, "--json").json
    assert {(one["model"], one["model_name"]) for one in (generated, benched, answer)} == {("tiny", "tiny qwen2")}


def lines_on_a_terminal(columns, *arguments):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    running = subprocess.Popen([PITH, *arguments], stdout=theirs)
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 4096):
            text += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert running.wait(timeout=60) == 0
    return text.decode().splitlines()


@pytest.mark.parametrize("arguments", [["recipes"], ["eval", "--list"]], ids=" ".join)
def test_tables_are_as_wide_as_the_terminal(pith, arguments):
    lines = lines_on_a_terminal(110, *arguments)
    assert 90 < max(map(len, lines)) <= 110
    assert max(map(len, pith(*arguments).out.splitlines())) > 110


def test_recipes_are_printed_from_the_registry(pith):
    parts = {part["name"]: part for part in pith("recipes", "--json").json}
    assert parts["snapkv"]["summary"]
    assert parts["summary_route"]["kind"] == "preset"
    assert "snapkv" in pith("recipes").out
    assert "| `snapkv` |" in pith("recipes", "--markdown").out


def test_recipes_explains_words_that_are_no_parts(pith, fails):
    assert "no compression" in pith("recipes", "full").out
    auto = pith("recipes", "auto").out
    assert "guard" in auto and "@ auto(risk=0.1)" in auto
    assert "auto(risk=0.1)" in pith("recipes").out
    turn = pith("recipes", "snapkv @ 4x when turn").out
    assert "snapkv + uniform + drop + bf16 @ 4x" in turn and "when           turn" in turn
    (shown,) = pith("recipes", "snapkv @ 4x when turn", "--json").json
    assert (shown["when"], shown["recipe"]) == ("turn", "snapkv + uniform + drop + bf16 @ 4x")
    fails("recipes", "--markdown", "--json", code=2, words=["--markdown", "--json"])


def test_recipes_say_which_presets_need_a_budget(pith):
    presets = {one["name"]: one for one in pith("recipes", "--json").json if one["kind"] == "preset"}
    assert presets["kvzap_linear"]["needs_budget"] and not presets["summary_route"]["needs_budget"]
    assert "needs a budget or at=..." in pith("recipes", "simlayerkv").out
    assert pith("recipes", "simlayerkv(at=-0.9)").code == 0


def test_docs_are_printed_from_the_registry(pith):
    assert (ROOT / "docs/recipes.md").read_text() == pith("recipes", "--markdown").out


@pytest.mark.parametrize("name", ["snapkv", "summary_route", "kvzip_plus + global @ 4x"])
def test_recipes_explains_one(pith, name):
    result = pith("recipes", name)
    assert result.code == 0, result.err
    assert name.split()[0] in result.out


def test_bench_reports_speeds_and_ceilings(pith, tiny):
    (result,) = pith("bench", "-m", tiny, "--prompt", 16, "--generate", 4, "--depth", 64, "--kv", "streaming_llm @ 0.5", "--repeat", 2,
                     "--json").json  # fmt: skip
    assert result["prefill_tok_s"] > 0 and result["decode_tok_s"] > 0
    assert len(result["prefill_runs"]) == len(result["decode_runs"]) == 2
    assert result["cache_bytes"] < result["full_bytes"]
    assert result["ceilings"]["read_gb_per_s"] > 0 and result["ceilings"]["f32_gflop_per_s"] > 0


def test_pull_lists_models(pith):
    models = {m["name"]: m for m in pith("pull", "--list", "--json").json}
    assert models["smollm2-135m-instruct"]["sha256"].startswith("b179c952")
    assert "qwen2.5-coder-0.5b-instruct" in pith("pull", "--list").out


def test_pull_of_a_model_that_is_there_does_nothing(pith, real_model):
    path = real_model("smollm2-135m-instruct")
    result = pith("pull", "smollm2-135m-instruct")
    assert result.out == f"{path} (was there already)\n"


def test_a_closed_pipe_is_no_error():
    shell = f"{PITH} recipes --json | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0"


def test_no_progress_bars_outside_terminals(pith, tiny, document):
    result = pith("run", "-m", tiny, "-f", document, "-q", "?", "--kv", "full", "--max-tokens", 2)
    assert "\r" not in result.err and "\x1b" not in result.err + result.out
