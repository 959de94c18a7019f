"""Bad input gets one clear line and a non-zero exit: no crash, no hang, no memory without bound, nothing lost."""

import json
import os
import random
import struct
import subprocess

import pytest
from conftest import PITH, limit_files

MEMORY_GIB = 8  # address space; threads and maps take some of it


def read_with(fails, model, **options):
    return fails("generate", "-m", model, "-p", "hello", "--max-tokens", 1, memory_gib=MEMORY_GIB, **options)


# Model files


@pytest.mark.parametrize("size", [0, 3, 4, 11, 23, 24, 40, 1000, 20_000, -1, -100, -100_000])
def test_truncated_model(fails, tiny, tmp_path, size):
    whole = tiny.read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[:size])
    result = read_with(fails, cut)
    assert "cut.gguf" in result.error


def test_flipped_bits_never_crash(pith, tiny, tmp_path):
    whole = tiny.read_bytes()
    header = whole.index(b"token_embd.weight") + 4000
    generator = random.Random(1)
    flipped = tmp_path / "flipped.gguf"
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[generator.randrange(header)] ^= 1 << generator.randrange(8)
        flipped.write_bytes(damaged)
        result = pith("generate", "-m", flipped, "-p", "hello", "--max-tokens", 1, memory_gib=MEMORY_GIB)
        assert result.code in (0, 1), (result.code, result.err)
        if result.code == 1:
            assert "out of memory" not in result.error
            assert "should not have happened" not in result.error


@pytest.mark.parametrize("offset", [8, 16], ids=["tensors", "metadata"])
def test_hostile_counts_allocate_nothing(fails, tiny, tmp_path, offset):
    damaged = bytearray(tiny.read_bytes())
    damaged[offset : offset + 8] = struct.pack("<Q", 1 << 60)
    path = tmp_path / "hostile.gguf"
    path.write_bytes(damaged)
    result = read_with(fails, path)
    assert "out of memory" not in result.error


def test_unknown_architecture(fails, make_model):
    read_with(fails, make_model("abacus", architecture="abacus"), words=["abacus", "llama", "qwen2"])


def test_text_instead_of_a_model(fails, tmp_path):
    path = tmp_path / "notes.gguf"
    path.write_text("these are notes, not a model\n")
    read_with(fails, path, words=["notes.gguf"])


def test_a_folder_instead_of_a_model(fails, tmp_path):
    read_with(fails, tmp_path, words=[tmp_path.name])


def test_missing_model_says_how_to_get_it(fails, tmp_path):
    read_with(fails, "smollm2-135m-instruct", env={"PITH_MODELS": str(tmp_path)}, words=["pith pull smollm2-135m-instruct"])


def test_misspelt_model_names_the_nearest(fails):
    read_with(fails, "smollm2-135m-instuct", words=["smollm2-135m-instruct"])


def test_missing_model_file(fails, tmp_path):
    read_with(fails, tmp_path / "none.gguf", words=["none.gguf"])


# Recipes: refused before anything is read


@pytest.mark.parametrize(
    "recipe, words",
    [
        ("snapkw @ 0.5", ["snapkw", "snapkv"]),
        ("snapkv(windows=8) @ 0.5", ["windows", "window"]),
        ("snapkv(window=many) @ 0.5", ["many"]),
        ("snapkv(window=8 @ 0.5", ["column"]),
        ("snapkv + @ 0.5", ["column"]),
        ("snapkv @ 1.5", ["1.5"]),
        ("snapkv @ 0.5x", ["0.5x"]),
        ("snapkv @ 12parsecs", ["12parsecs"]),
        ("", []),
        ("then", []),
        ("snapkv @ 0.5 then", []),
        ("(" * 5000, []),
    ],
)
def test_bad_recipe(fails, document, recipe, words):
    result = fails("run", "-m", "/nonexistent.gguf", "-f", document, "-q", "?", "--kv", recipe, words=words)
    assert "nonexistent" not in result.error


@pytest.mark.parametrize("budget", ["16B", "1KiB", "100000x"])
def test_impossible_budget_says_what_is_possible(fails, tiny, document, budget):
    fails("run", "-m", tiny, "-f", document, "-q", "?", "--kv", f"knorm @ {budget}", words=[budget])


def test_unknown_part_in_recipes(fails):
    fails("recipes", "snapkw", words=["snapkw", "snapkv"])


# Documents


def run_on(fails, tiny, path, **options):
    return fails("run", "-m", tiny, "-f", path, "-q", "Who?", "--kv", "full", **options)


@pytest.mark.parametrize("text", ["", " \n\t\n"])
def test_empty_document(fails, tiny, tmp_path, text):
    path = tmp_path / "empty.txt"
    path.write_text(text)
    run_on(fails, tiny, path, words=["empty.txt", "empty"])


@pytest.mark.parametrize("bad, offset", [(b"\xff", 6), (b"\xc3(", 6), (b"\xed\xa0\x80", 6), (b"\xf0\x9f", 6)])
def test_invalid_utf8_is_located(fails, tiny, tmp_path, bad, offset):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"hello " + bad)
    run_on(fails, tiny, path, words=["latin.txt", "UTF-8", str(offset)])


def test_invalid_utf8_in_a_question(fails, tiny, document):
    fails("run", "-m", tiny, "-f", document, "-q", b"caf\xe9".decode("latin-1").encode("latin-1").decode(errors="surrogateescape"),
          "--kv", "full", words=["UTF-8"])  # fmt: skip


def test_empty_question(fails, tiny, document):
    fails("run", "-m", tiny, "-f", document, "-q", " ", "--kv", "full", words=["question"])


def test_missing_document(fails, tiny, tmp_path):
    run_on(fails, tiny, tmp_path / "none.txt", words=["none.txt"])


def test_document_beyond_the_models_range(fails, tiny, tmp_path):
    path = tmp_path / "long.txt"
    path.write_text("hello the and in " * 400)
    run_on(fails, tiny, path, words=["512", "tokens"])


def test_prompt_beyond_the_models_range(fails, tiny, tmp_path):
    path = tmp_path / "long.txt"
    path.write_text("hello the and in " * 400)
    fails("generate", "-m", tiny, "-f", path, words=["512"])


def test_endless_document_is_not_read_whole(fails, tiny):
    run_on(fails, tiny, "/dev/zero", words=["/dev/zero"], memory_gib=MEMORY_GIB)


def test_no_questions_in_the_file(fails, tiny, document, tmp_path):
    path = tmp_path / "questions.txt"
    path.write_text("# none yet\n")
    fails("run", "-m", tiny, "-f", document, "--questions", path, "--kv", "full", words=["questions.txt"])


def test_answers_that_do_not_fit_the_questions(fails, tiny, document, tmp_path):
    path = tmp_path / "answers.txt"
    path.write_text("one\ntwo\n")
    fails("run", "-m", tiny, "-f", document, "-q", "?", "--answers", path, "--kv", "full", words=["answers.txt", "2", "1"])


def test_sampling_out_of_range(fails, tiny):
    fails("generate", "-m", tiny, "-p", "hello", "--temperature", "-1", code=2, words=["temperature"])
    fails("generate", "-m", tiny, "-p", "hello", "--top-p", "2", code=2, words=["--top-p"])
    fails("generate", "-m", tiny, "-p", "", code=2, words=["-p", "the prompt is empty"])


# Saved caches


@pytest.fixture(scope="module")
def saved(pith, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    text = folder / "text.txt"
    text.write_text("hello the and in the hello " * 6)
    path = folder / "cache.pith"
    assert pith("run", "-m", tiny, "-f", text, "--kv", "knorm @ 0.5", "--save", path).code == 0
    return path


def load(fails, tiny, path, **options):
    return fails("run", "-m", tiny, "--load", path, "-q", "?", "--max-tokens", 1, memory_gib=MEMORY_GIB, **options)


@pytest.mark.parametrize("size", [0, 7, 30, 200, -1, -1000])
def test_truncated_cache(fails, tiny, saved, tmp_path, size):
    path = tmp_path / "cut.pith"
    path.write_bytes(saved.read_bytes()[:size])
    load(fails, tiny, path, words=["cut.pith"])


def test_flipped_bits_in_a_cache_are_always_found(fails, tiny, saved, tmp_path):
    whole = saved.read_bytes()
    generator = random.Random(2)
    path = tmp_path / "flipped.pith"
    for at in [0, 4, 8, 16, len(whole) - 1, *(generator.randrange(len(whole)) for _ in range(60))]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        result = load(fails, tiny, path, words=["flipped.pith"])
        assert "out of memory" not in result.error


def test_cache_of_another_model(fails, make_model, saved):
    load(fails, make_model("other", seed=2), saved, words=["cache.pith", "model"])


def test_a_model_instead_of_a_cache(fails, tiny):
    load(fails, tiny, tiny, words=[tiny.name])


def test_inspect_of_a_damaged_cache(fails, saved, tmp_path):
    path = tmp_path / "cut.pith"
    path.write_bytes(saved.read_bytes()[:-5])
    fails("inspect", path, words=["cut.pith"])


# Disks


@pytest.fixture
def full_disk(tmp_path):
    """A file system with no room for a cache file."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_full_disk_keeps_what_was_there(fails, tiny, document, full_disk):
    target = full_disk / "cache.pith"
    target.write_text("precious")
    fails("run", "-m", tiny, "-f", document, "--kv", "full", "--save", target, words=["cache.pith", "No space left"])
    assert target.read_text() == "precious"
    assert os.listdir(full_disk) == ["cache.pith"]


def test_full_disk_under_standard_output(tiny, document):
    with open("/dev/full", "w") as full:
        done = subprocess.run([PITH, "recipes"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("pith: ") and "No space left" in done.stderr


def test_save_into_a_folder_that_is_not_there(fails, tiny, document, tmp_path):
    target = tmp_path / "none" / "cache.pith"
    fails("run", "-m", "no_such_model", "-f", "no_such_document", "--kv", "full", "--save", target, words=["cache.pith", "No such file"])


def test_a_cache_that_cannot_be_saved_costs_no_answer(tiny, document, tmp_path):
    command = [PITH, "run", "-m", tiny, "-f", document, "--kv", "knorm @ 0.5", "-q", "Who?", "--json", "--save", tmp_path / "z.pith"]
    done = subprocess.run([*command, "--max-tokens", "4"], capture_output=True, text=True, timeout=60, preexec_fn=limit_files(1000))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("pith: ") and "z.pith" in done.stderr
    assert json.loads(done.stdout)["recipe"] == "knorm @ 0.5"
    assert list(tmp_path.glob("z.pith*")) == []
