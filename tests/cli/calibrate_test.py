"""pith calibrate, and the recipes that need it."""

import pytest

RECIPES = ["qfilters @ 0.5", "kvzap @ 0.5"]


@pytest.fixture(scope="module")
def model(make_model):
    return make_model("calibrated", context=8192)


def answer(recipe, model, document):
    return ["run", "-m", model, "-f", document, "-q", "Who?", "--kv", recipe, "--max-tokens", "2"]


def test_without_a_calibration_the_command_is_named(fails, model, document):
    for recipe in RECIPES:
        fails(*answer(recipe, model, document), words=[f"pith calibrate -m {model}"])


def test_calibrated_models_answer(pith, model, document):
    (result,) = pith("calibrate", "-m", model, "--documents", "5", "--tokens", "1000", "--json").json
    assert result["file"] == f"{model}.calibration"
    assert result["held_out_documents"] == 1
    assert -1 <= result["kvzap_correlation"] <= 1
    for recipe in RECIPES:
        assert pith(*answer(recipe, model, document)).code == 0


def test_another_calibration_gives_other_facts(pith, model, tmp_path):
    probe = ["probe", "-m", model, "--suite", "kv", "--tokens", 300, "--contexts", 1, "--max-tokens", 2, "--replay", 0, "--no-graph", "--threads", 1,
             "--kv", "kvzap @ 2x", "--out", tmp_path]  # fmt: skip
    calibration = model.with_name(model.name + ".calibration")
    before = calibration.read_bytes()

    def facts():
        result = pith(*probe)
        assert result.code == 0, result.err
        return len((tmp_path / "facts.jsonl").read_bytes().splitlines())

    assert [facts(), facts()] == [1, 1]
    assert pith("calibrate", "-m", model, "--documents", "5", "--tokens", "1200").code == 0
    assert facts() == 2  # nothing that was kept serves
    calibration.write_bytes(before)
    assert facts() == 2


def test_another_model_refuses_it(fails, make_model, model, document):
    other = make_model("other", seed=2, context=8192)
    model.with_name(model.name + ".calibration").rename(other.with_name(other.name + ".calibration"))
    fails(*answer(RECIPES[0], other, document), words=["was calibrated on another model"])
