"""pith calibrate --what encoder, and virtual(encoder=FILE)."""

import json
import struct

import pytest

TRAIN = ["calibrate", "--what", "encoder", "--documents", "15", "--tokens", "1000", "--width", "16", "--layers", "1"]


@pytest.fixture(scope="module")
def model(make_model):
    return make_model("encoded", context=8192)


@pytest.fixture(scope="module")
def encoder(pith, model, tmp_path_factory):
    file = tmp_path_factory.mktemp("encoder") / "an encoder (2x).safetensors"
    done = pith(*TRAIN, "-m", model, "--steps", "60", "--rate", "0.003", "--out", file, "--json")
    assert done.code == 0, done.err
    return file, done.json[0]


def answer(recipe, model, document):
    return ["run", "-m", model, "-f", document, "-q", "Who?", "--kv", recipe, "--max-tokens", "2"]


def test_training_lowers_the_held_out_loss(encoder):
    file, result = encoder
    assert result["file"] == str(file)
    assert result["held_out_turns"] > 1
    assert result["held_out_loss"] < result["mean_pooling_loss"]
    assert result["difference"] == pytest.approx(result["held_out_loss"] - result["mean_pooling_loss"])
    assert not file.with_name(file.name + ".training").exists()


def test_the_file_is_safetensors(encoder):
    data = encoder[0].read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    assert head.pop("__metadata__")["format"] == "pith encoder 1"
    ends = sorted(tensor["data_offsets"] for tensor in head.values())
    assert ends[0][0] == 0 and ends[-1][1] == len(data) - 8 - length
    assert head["output"]["dtype"] == "F32" and head["output"]["shape"] == [64, 16]


def test_it_answers(pith, encoder, model, document):
    for more in ("", ", steps=50"):
        done = pith(*answer(f'virtual(encoder="{encoder[0]}"{more})', model, document))
        assert done.code == 0, done.err


def test_another_model_refuses_it(fails, encoder, make_model, document):
    other = make_model("unencoded", seed=2, context=8192)
    fails(*answer(f"virtual(encoder='{encoder[0]}')", other, document), words=["was trained for another model"])


def test_what_is_no_encoder_is_refused(fails, model, document, tmp_path):
    fails(*answer("virtual(encoder=no/such.file)", model, document), words=["no/such.file"])
    other = tmp_path / "x.safetensors"
    other.write_bytes(struct.pack("<Q", 2) + b"{}")
    fails(*answer(f'virtual(encoder="{other}")', model, document), words=["is no encoder"])


def test_a_stopped_training_goes_on(pith, model, tmp_path):
    """Other texts than those of the checkpoint are another training."""
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("The heron waits at the weir.\n" * 40)
    (texts / "b.bin").write_bytes(b"\xff\xfe")
    command = [*TRAIN, "-m", model, "--steps", "8", "--texts", texts, "--out"]
    done = pith(*command, tmp_path / "e")
    assert done.code == 0 and "b.bin is no UTF-8 text" in done.err
    (tmp_path / "e.training").write_bytes(b"x")
    refused = pith(*command, tmp_path / "e")
    assert refused.code != 0 and "e.training is not a sound safetensors file" in refused.error


def test_options_are_checked(fails, model):
    fails(*TRAIN, "-m", model, words=["--out"], code=2)
    fails("calibrate", "-m", model, "--steps", "3", words=["is for --what encoder"], code=2)
    fails(*TRAIN, "-m", model, "--out", "x", "--kv", "snapkv", words=["is for --what guard"], code=2)
    fails(*TRAIN, "-m", model, "--out", "x", "--texts", "no/such/folder", words=["no/such/folder"])
