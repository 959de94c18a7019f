"""The budget auto: tables by hand, so that what the guard chooses is known beforehand."""

import json
import re

import pytest

RECIPE = "knorm + global"
PARTS = "knorm + global + drop + bf16"


@pytest.fixture(scope="module")
def model(make_model):
    return make_model("guarded", context=4096)


@pytest.fixture(scope="module")
def model_hash(pith, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("hash")
    assert pith("eval", "-m", model, "--suite", "kv", "--tokens", "300", "--contexts", "1", "--out", out).code == 0
    return re.search(r'model_hash: "(\w+)"', (out / "config.yaml").read_text())[1]


@pytest.fixture
def calibrate(model, model_hash):
    """Writes a table whose documents all have these signals and losses on the rungs 2x, 4x and 8x."""
    path = model.with_name(model.name + ".guard.json")

    def write(signals, losses, documents=19):
        table = {"model": "tiny", "model_hash": model_hash, "recipe": PARTS, "documents": "boxes of 100 tokens",
                 "ladder": [2, 4, 8], "records": [[signals, losses]] * documents}  # fmt: skip
        path.write_text(json.dumps([table]))

    yield write
    path.unlink()


def ask(model, document, recipe=RECIPE + " @ auto", *more):
    return ["run", "-m", model, "-f", document, "-q", "Who?", "--max-tokens", "2", "--kv", recipe, *more]


@pytest.fixture
def long_document(tmp_path):
    path = tmp_path / "boxes.txt"
    path.write_text("".join(f"Box {i * 37 % 101} holds item {i}.\n" for i in range(40)))
    return path


def test_without_a_table_the_command_is_named(fails, model, document):
    fails(*ask(model, document), words=[f"pith calibrate -m {model} --what guard", PARTS])
    fails(*ask(model, document, "auto"), words=["kvzip_plus + global + drop + int4", "@ 4x"])


def test_one_line_says_what_was_chosen(pith, calibrate, model, long_document):
    calibrate([0, 0, 100], [0, 0, 0])
    lines = [line for line in pith(*ask(model, long_document)).out.splitlines() if line.startswith("auto: ")]
    assert len(lines) == 1
    assert lines[0].startswith("auto: kept 1/8.")
    assert lines[0].endswith(
        "of the cache; of 20 answers that the whole cache gets right, expect to lose at most 2 "
        "(calibrated on 19 generated documents: boxes of 100 tokens)"
    )


def test_json_has_the_choice(pith, calibrate, model, long_document):
    calibrate([0, 0, 100], [0, 0, 0])
    (answer,) = pith(*ask(model, long_document, RECIPE + " @ auto(risk=0.2)", "--json")).json
    chosen = answer["auto"]
    assert chosen["recipe"] == PARTS + " @ 8x"
    assert chosen["ratio"] == 8
    assert chosen["threshold"] == 100
    assert chosen["risk"] == 0.2
    assert chosen["signal"] <= 100
    assert answer["ratio"] >= 8


def test_a_document_that_bears_nothing_is_left_whole(pith, calibrate, model, long_document):
    calibrate([-100, 0, 0], [1, 1, 1])
    result = pith(*ask(model, long_document))
    assert "auto: kept the whole cache" in result.out
    (answer,) = pith(*ask(model, long_document, RECIPE + " @ auto", "--json")).json
    assert answer["auto"]["threshold"] is None
    assert answer["auto"]["recipe"] == "full"
    assert answer["ratio"] == pytest.approx(1, rel=0.2)


def test_small_risks_need_more_documents(fails, calibrate, model, document):
    calibrate([0, 0, 0], [0, 0, 0])
    fails(*ask(model, document, RECIPE + " @ auto(risk=0.01)"), words=["at least 99 documents, this one has 19"])


def test_the_guard_needs_the_whole_document(fails, calibrate, model, document):
    calibrate([0, 0, 0], [0, 0, 0])
    fails(*ask(model, document, RECIPE + " @ auto", "--when", "chunk:64"), words=["the guard looks at a whole document"])


def test_damaged_tables_are_named(fails, calibrate, model, document):
    calibrate([0, 0], [0, 0])
    fails(*ask(model, document), words=["guarded.gguf.guard.json", "one signal and one loss per rung"])


def test_saved_caches_say_what_was_done(pith, calibrate, model, long_document, tmp_path):
    calibrate([0, 0, 100], [0, 0, 0])
    saved = tmp_path / "boxes.pith"
    assert pith(*ask(model, long_document, RECIPE + " @ auto", "--save", saved)).code == 0
    (answer,) = pith("run", "-m", model, "--load", saved, "-q", "Who?", "--max-tokens", "2", "--json").json
    assert answer["recipe"] == PARTS + " @ 8x"


def test_evaluations_apply_what_was_chosen(pith, calibrate, model, tmp_path):
    calibrate([0, 0, 100], [0, 0, 0])
    out = tmp_path / "run"
    command = ["eval", "-m", model, "--suite", "kv", "--tokens", "400", "--contexts", "1", "--kv", RECIPE + " @ auto", "--out", out]
    assert pith(*command).code == 0
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    guarded = [line for line in lines if line["recipe"].endswith("@ auto")]
    assert guarded
    for line in guarded:
        assert line["canonical"] == PARTS + " @ auto(risk=0.1)"
        assert line["applied"] == PARTS + " @ 8x"
        assert line["full_bytes"] >= 8 * line["cache_bytes"]
    before = len(lines)
    assert pith(*command).code == 0  # nothing is computed twice ...
    assert len((out / "predictions.jsonl").read_text().splitlines()) == before
    calibrate([-100, 0, 0], [0, 1, 1])  # ... unless the guard chooses otherwise
    assert pith(*command).code == 0
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert {line["applied"] for line in lines[before:]} == {"full"}


def test_a_model_that_knows_nothing_cannot_be_calibrated(fails, model):
    fails(
        "calibrate", "-m", model, "--what", "guard", "--kv", RECIPE, "--documents", "2", "--tokens", "300",
        words=["answers none of the questions right"],
    )  # fmt: skip


def test_what_is_calibrated_on_is_no_test(fails):
    command = ["calibrate", "-m", "no_such_model", "--what", "guard", "--tests"]
    fails(*command, "strings,needles", words=["--tests needles", "needle_multi"])
    fails(*command, "strings", words=["no_such_model"])


def test_measurements_are_kept_and_a_torn_line_is_made_again(pith, model, tmp_path):
    records = tmp_path / "guard.tsv"

    def calibrate(*more):
        pith("calibrate", "-m", model, "--what", "guard", "--kv", RECIPE, "--documents", "2", "--tokens", "300", "--records", records, *more)
        return records.read_bytes().splitlines(keepends=True)

    first, second = calibrate("--suites", "kv,kv")  # the model knows nothing: there is no table
    records.write_bytes(first + second[: len(second) // 2])
    assert calibrate("--suites", "kv") == [first, second]
    assert calibrate("--suites", "kv", "--exact")[:2] == [first, second]
    assert len(records.read_bytes().splitlines()) == 4  # other numerics, other answers
    records.write_bytes(b"My notes\nwithout an end")
    calibrate()
    assert records.read_bytes() == b"My notes\nwithout an end"


def test_guard_options_are_for_the_guard(pith, model):
    result = pith("calibrate", "-m", model, "--kv", RECIPE)
    assert result.code != 0
    assert "--what guard" in result.err
