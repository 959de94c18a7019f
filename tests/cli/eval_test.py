"""pith eval and pith compare as a user drives them: settings from YAML, killed and split runs, comparisons."""

import json
import signal
import subprocess
import time

import pytest
from conftest import PITH

TIMES = ("prefill_s", "replay_s", "compress_s", "decode_s")
ARMS = ("knorm @ 2x", "random @ 2x")


def settings(tiny, **more):
    """A small run: two documents, ten questions each."""
    values = {"model": str(tiny), "suite": "kv", "tokens": 300, "contexts": 2, "kv": list(ARMS), "threads": 1, **more}
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items())


@pytest.fixture(scope="module")
def model(make_model):
    return make_model("eval", context=2048)


@pytest.fixture(scope="module")
def config(tmp_path_factory, model):
    path = tmp_path_factory.mktemp("config") / "run.yaml"
    path.write_text(settings(model))
    return path


@pytest.fixture(scope="module")
def whole(pith, tmp_path_factory, config):
    """The run that nothing disturbs."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    result = pith("eval", config, "--out", out)
    assert result.code == 0, result.err
    return out


def predictions(out):
    """Lines of a run without its times, sorted; none may be there twice."""
    lines = []
    for path in sorted([*out.glob("predictions*.jsonl"), *out.glob("items/*.jsonl")]):
        for line in path.read_text().splitlines():
            one = json.loads(line)
            lines.append(json.dumps({k: v for k, v in one.items() if k not in TIMES}, sort_keys=True))
    assert len(lines) == len(set(lines))
    return sorted(lines)


def metrics(out):
    arms = json.loads((out / "metrics.json").read_text())["arms"]
    return [{k: v for k, v in arm.items() if k not in TIMES} for arm in arms]


def test_caches_are_checked_where_the_settings_ask_for_it(pith, tmp_path, model):
    config = tmp_path / "checked.yaml"
    config.write_text(settings(model, check=True, contexts=1))
    assert pith("eval", config, "--out", tmp_path / "out").code == 0
    lines = [json.loads(line) for line in predictions(tmp_path / "out")]
    assert all(("check_missed" in line) == (line["recipe"] != "full") for line in lines)
    # A random model repeats nothing: then nothing is said. Let it have known half of the sample.
    arms = json.loads((tmp_path / "out" / "metrics.json").read_text())["arms"]
    known = {line["recipe"]: line.get("check_known", 0) > 0 for line in lines}
    assert all((arm["repeats"] is not None) == known[arm["recipe"]] for arm in arms)
    path = tmp_path / "out" / "predictions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [{**line, "check_known": 0.5, "check_missed": 0.25} if "check_known" in line else line for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = pith("eval", config, "--out", tmp_path / "out")
    assert "repeats %" in result.out and " 75.0 " in result.out


def test_a_check_changes_no_answer(pith, tmp_path, model, whole):
    config = tmp_path / "checked.yaml"
    config.write_text(settings(model, check=True))
    assert pith("eval", config, "--out", tmp_path / "out").code == 0

    def answers(out):
        lines = [json.loads(line) for line in predictions(out)]
        return sorted(json.dumps({k: v for k, v in line.items() if not k.startswith("check_")}) for line in lines)

    assert answers(tmp_path / "out") == answers(whole)


def test_where_the_range_has_no_room_caches_go_unchecked(pith, tmp_path, make_model):
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "log.txt").write_text("The code of the shed is HERON-4471. " * 6)
    (folder / "questions.jsonl").write_text('{"document": "log.txt", "question": "Code?", "answers": ["HERON-4471"]}\n')

    def run(model, name):
        config = tmp_path / "checked.yaml"
        config.write_text(settings(model, suite=f"folder:{folder}", check=True))
        return pith("eval", config, "--out", tmp_path / name)

    wide = run(make_model("wide", context=4096), "wide")
    assert "are not checked: " not in wide.err
    tokens = json.loads(predictions(tmp_path / "wide")[0])["context_tokens"]
    narrow = run(make_model("narrow", context=tokens + 60), "narrow")
    assert narrow.code == 0, narrow.err
    assert "are not checked: " in narrow.err



def test_writes_its_files(whole):
    assert {path.name for path in whole.iterdir()} == {"config.yaml", "documents.jsonl", "predictions.jsonl", "metrics.json"}
    assert len(predictions(whole)) == 2 * 10 * 3  # full is always one
    assert "model_hash" in (whole / "config.yaml").read_text()


def test_json_is_one_line(pith, config, whole):
    (printed,) = pith("eval", config, "--out", whole, "--json").json
    assert printed == json.loads((whole / "metrics.json").read_text())


def test_metrics_have_what_the_docs_say(whole):
    arm = next(a for a in metrics(whole) if a["recipe"] == "knorm @ 2x" and a["task"] == "all")
    assert (arm["n"], arm["documents"], arm["sees_question"]) == (20, 2, False)
    assert arm["difference"]["to"] == "full" and arm["difference"]["n"] == 20
    assert arm["cache_bytes"] < arm["full_bytes"] and arm["ratio"] > 1.9
    assert {"score", "ci_low", "ci_high", "exact", "contained", "unended", "answer_tokens", "worst_decile", "worst_decile_n"} <= set(arm)


def test_a_run_killed_at_any_place_goes_on(tmp_path, pith, config, whole):
    out = tmp_path / "killed"
    seen = 0
    for _ in range(4):  # killed three times, somewhere else each time
        running = subprocess.Popen([PITH, "eval", config, "--out", out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        file = out / "predictions.jsonl"
        while running.poll() is None and (file.read_bytes().count(b"\n") if file.exists() else 0) < seen + 13:
            time.sleep(0.002)
        running.send_signal(signal.SIGKILL)
        running.wait()
        seen = file.read_bytes().count(b"\n")
        if seen >= 52:
            break
    assert 0 < seen
    with file.open("ab") as torn:
        torn.write(b'{"key": "half a li')
    result = pith("eval", config, "--out", out)
    assert result.code == 0, result.err
    assert predictions(out) == predictions(whole)
    assert metrics(out) == metrics(whole)


def test_shards_are_the_whole(tmp_path, pith, config, whole):
    for shard in range(2):
        assert pith("eval", config, "--out", tmp_path / "s", "--shard", f"{shard}/2").code == 0
    assert predictions(tmp_path / "s") == predictions(whole)
    assert metrics(tmp_path / "s") == metrics(whole)
    merged = pith("eval", "--merge", tmp_path / "s", "--out", tmp_path / "merged", "--json")
    assert merged.code == 0, merged.err
    assert predictions(tmp_path / "merged") == predictions(whole)


def test_options_count_more_than_the_file(tmp_path, pith, config):
    result = pith("eval", "--config", config, "--contexts", 1, "--kv", "knorm", "--budgets", "2x,0.9", "--twins", "--out", tmp_path, "--json")
    assert result.code == 0, result.err
    arms = {a["recipe"]: a for a in json.loads(result.out)["arms"] if a["task"] == "all"}
    assert {"full", "knorm @ 2x", "knorm @ 0.9", "random at the bytes of knorm @ 2x"} <= set(arms)
    assert set(arms["knorm @ 2x"]["twins"]) == {"random", "recency", "spaced"}
    assert arms["random at the bytes of knorm @ 2x"]["cache_bytes"] == arms["knorm @ 2x"]["cache_bytes"]
    assert arms["knorm @ 0.9"]["n"] == 10


def test_more_recipes_are_added_to_a_finished_run(tmp_path, pith, model):
    one = tmp_path / "one.yaml"
    one.write_text(settings(model, kv=["knorm @ 2x"], contexts=1))
    assert pith("eval", one, "--out", tmp_path / "out").code == 0
    more = pith("eval", one, "--out", tmp_path / "out", "--kv", "random @ 2x", "--baseline", "knorm @ 2x")
    assert more.code == 0, more.err
    assert "10 answers" in more.err and "to baseline" in more.out
    assert len(predictions(tmp_path / "out")) == 30


@pytest.mark.parametrize(
    "text, words",
    [
        ("sute: kv\n", ["run.yaml:1", "sute", "did you mean suite?"]),
        ("suite: kv\ncontexts: few\n", ["run.yaml:2", "contexts", "few", "integer"]),
        ("suite: kv\nkv: [snapvk @ 2x]\n", ["snapvk", "snapkv"]),
        ("suite: kvv\n", ["kvv", "kv"]),
        ("suite: [kv\n", ["run.yaml:", "no YAML"]),
        ("suite: folder:nowhere\n", ["nowhere"]),
        ("suite: kv\ntokens: 4096\n", ["--tokens 4096", "range of 2048"]),
        ("suite: kv\ntokens: 300\nkv: [expected_attention @ 2x, expected_attention(n_sink=8) @ 2x]\n", ["beside the recipes before it", "n_sink"]),
    ],
)
def test_bad_settings_are_refused(tmp_path, fails, model, text, words):
    (tmp_path / "run.yaml").write_text(text)
    fails("eval", tmp_path / "run.yaml", "-m", model, "--out", tmp_path / "out", words=words)
    assert not (tmp_path / "out").exists()


def test_other_settings_in_the_same_folder_are_refused(fails, config, whole):
    fails("eval", config, "--tokens", 310, "--out", whole, words=["300", "310", "--out"])


@pytest.mark.parametrize("arguments", [["eval", "--suite", "kv"], ["eval", "--out", "x"], ["eval", "--suite", "kv", "--out", "x", "--budgets", "2x"]], ids=" ".join)
def test_what_is_missing_is_named(fails, arguments):
    fails(*arguments, code=2, words=["--help"])


def test_a_file_in_place_of_the_folder_is_named(fails, config, tmp_path):
    (tmp_path / "file").write_text("there")
    fails("eval", config, "--out", tmp_path / "file", words=["cannot make the folder", str(tmp_path / "file"), "name another"])


def test_bad_shards_are_refused(fails, config, tmp_path):
    fails("eval", config, "--out", tmp_path, "--shard", "3/3", words=["3/3", "0/4"], code=2)


def test_own_documents(tmp_path, pith, model, document):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "log.txt").write_text(document.read_text() * 4)
    (folder / "questions.jsonl").write_text('{"document": "log.txt", "question": "When?", "answers": ["17:40"], "max_tokens": 4}\n')
    result = pith("eval", "-m", model, "--suite", f"folder:{folder}", "--kv", "random @ 2x", "--out", tmp_path / "out", "--json")
    assert result.code == 0, result.err
    assert {a["n"] for a in json.loads(result.out)["arms"]} == {1}


def test_estimate_says_how_long(pith, config):
    (result,) = pith("eval", config, "--estimate", "--contexts", 40, "--json").json
    assert (result["documents"], result["arms"], result["measured_arms"]) == (40, 3, 3)
    assert result["seconds"] > 0 and 0 < result["kernel_share"] <= 1
    assert "40 documents x 3 arms" in pith("eval", config, "--estimate", "--contexts", 40).out


def test_compare_a_run_with_itself_and_arms_with_each_other(pith, whole):
    same = pith("compare", whole, whole, "--json").json
    assert {c["recipe_a"] for c in same} == {"full", *ARMS}
    assert all(c["difference"] == 0 and c["gained"] == c["lost"] == 0 and c["n"] == 20 for c in same)
    arms = pith("compare", whole, whole, "--arm-a", ARMS[0], "--arm-b", ARMS[1], "--json").json
    assert {(c["recipe_a"], c["recipe_b"]) for c in arms} == {ARMS}
    otherwise = ["--arm-a", "knorm+uniform@2.0x", "--arm-b", "random @2x"]  # the same recipes
    assert pith("compare", whole, whole, *otherwise, "--json").json == arms
    table = pith("compare", whole, whole).out
    assert "B - A" in table and "knorm @ 2x" in table


def test_compare_refuses_what_is_no_run(fails, whole, tmp_path):
    fails("compare", whole, tmp_path, words=[str(tmp_path), "predictions"])
    fails("compare", whole, whole, "--arm-a", "tova @ 2x", words=["--arm-a", '"tova @ 2x"', "first run", *ARMS])
    fails("compare", whole, whole, "--arm-a", ARMS[0], "--arm-b", "kmorn", words=["--arm-b", '"kmorn"', "second run", *ARMS])
