"""pith chat: turns that are compressed one by one, and what happens when that is cut short."""

import json
import os
import pty
import signal
import subprocess
import time

import pytest
from conftest import PITH, limit_files

LINES = "hello the and in the hello and the in the\nand then the end?\nin the end the others\nmore\n"
TURNS = ("chat", "--max-tokens", 6, "--json", "--kv", "knorm @ 0.5")
ENDLESS = "virtual(ratio=2,steps=1000000,least_steps=1000000)"


def answers(result):
    return [turn["answer"] for turn in result.json]


def block_files(store):
    return sorted(path.name for path in store.iterdir())


def test_chat_keeps_its_conversation(pith, tiny, tmp_path):
    saved = tmp_path / "talk.pith"
    result = pith(*TURNS, "-m", tiny, "--when", "turn", input=f"hello\nand then?\n/save {saved}\n/quit\nnever read\n")
    assert result.code == 0, result.err
    first, second = result.json
    assert (first["turn"], second["turn"]) == (1, 2)
    assert second["n_context_tokens"] > first["n_context_tokens"]
    assert not first["compressed"] and second["compressed"]
    assert second["blocks"][0]["entries"] < second["blocks"][0]["tokens"] * 4
    later = pith("chat", "-m", tiny, "--load", saved, "--max-tokens", 4, "--json", input="more\n").json[0]
    assert later["n_context_tokens"] > second["n_context_tokens"]


def test_chat_tells_what_became_of_a_turn(pith, tiny):
    result = pith("chat", "-m", tiny, "--max-tokens", 4, "--kv", "snapkv(window=4) @ 0.5", input=LINES + "/bytes\n")
    assert result.code == 0, result.err
    assert "[turn 3: " in result.err and "entries per lane" in result.err
    assert "the full bf16 cache of" in result.out


def test_a_cache_larger_than_full_is_called_so(pith, tiny):
    result = pith("chat", "-m", tiny, "--max-tokens", 2, "--kv", "full", "--exact", input="/bytes\nhello\n/bytes\n")
    lines = result.out.splitlines()
    assert lines[0] == "0 tokens: nothing was read yet"
    assert "x the full bf16 cache of" in lines[-1] and "whole tiles" in lines[-1]


def test_chat_prints_nothing_but_json_if_asked(pith, tiny):
    result = pith("chat", "-m", tiny, "--max-tokens", 2, "--json", input="hello\r\n/bytes\r\n/help\r\n/quit\r\nnever read\n")
    assert result.code == 0, result.err
    turn, cache = result.json
    assert turn["user"] == "hello"
    assert {"n_context_tokens", "entries", "cache_bytes", "cache_type", "full_bytes"} == set(cache)
    assert cache["cache_bytes"] == turn["cache_bytes"]
    assert "/quit" in result.err


def test_chat_saves_to_no_folder(pith, tiny, tmp_path):
    result = pith("chat", "-m", tiny, "--max-tokens", 2, input=f"hello\n/save {tmp_path}\n")
    assert result.code == 1
    assert "is a folder; a file was expected" in result.err
    assert list(tmp_path.iterdir()) == []


def test_the_cache_is_held_below_a_size(pith, tiny):
    result = pith(*TURNS, "-m", tiny, "--when", "over:28KiB", "--recall", "int4", input=LINES * 3)
    assert result.code == 0, result.err
    assert all(turn["cache_bytes"] <= 28 << 10 for turn in result.json)
    last = result.json[-1]
    assert last["evicted"] > 0 and last["cold_bytes"] > 0 and last["recalled"] > 0


def test_blocks_are_used_again(pith, tiny, tmp_path):
    runs = [pith(*TURNS, "-m", tiny, "--store", tmp_path / "blocks", input=LINES) for _ in range(2)]
    assert [run.json[-1]["blocks_from_store"] for run in runs] == [0, 3]
    assert [run.json[-1]["blocks_stored"] for run in runs] == [3, 0]
    assert answers(runs[0]) == answers(runs[1])


def test_a_damaged_block_is_made_anew(pith, tiny, tmp_path):
    store = tmp_path / "blocks"
    first = pith(*TURNS, "-m", tiny, "--store", store, input=LINES)
    path = store / block_files(store)[0]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    second = pith(*TURNS, "-m", tiny, "--store", store, input=LINES)
    assert second.code == 0, second.err
    assert any("made anew" in note for turn in second.json for note in turn["notes"])
    assert answers(first) == answers(second)
    third = pith(*TURNS, "-m", tiny, "--store", store, input=LINES)
    assert third.json[-1]["blocks_from_store"] == 3


def start(tiny, store, recipe, background="off"):
    """A chat that has answered two turns, so that the first one is being compressed."""
    chat = subprocess.Popen(
        [PITH, "chat", "-m", tiny, "--max-tokens", "4", "--kv", recipe, "--store", store, "--background", background],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    chat.stdin.write(b"hello the and in\nand then?\n")
    chat.stdin.flush()
    chat.stdout.readline(), chat.stdout.readline()
    time.sleep(0.5)
    return chat


@pytest.mark.parametrize("background", ["on", "off"])
def test_a_kill_in_the_middle_leaves_the_store_sound(pith, tiny, tmp_path, background):
    store = tmp_path / "blocks"
    pith(*TURNS, "-m", tiny, "--store", store, input=LINES)
    before = block_files(store)
    chat = start(tiny, store, ENDLESS, background)
    chat.send_signal(signal.SIGKILL)
    chat.communicate(timeout=30)
    (store / f"00.block.{chat.pid}.part").write_bytes(b"half")  # as if it had been writing
    again = pith(*TURNS, "-m", tiny, "--store", store, input=LINES)
    assert again.json[-1]["blocks_from_store"] == 3
    assert block_files(store) == before


def test_an_interrupt_in_the_middle_ends_a_script(tiny, tmp_path):
    chat = start(tiny, tmp_path / "blocks", ENDLESS)
    chat.send_signal(signal.SIGINT)
    _, err = chat.communicate(timeout=30)
    assert chat.returncode == 130
    assert b"given up" in err
    assert block_files(tmp_path / "blocks") == []


def test_an_interrupt_at_a_terminal_ends_the_compression_only(tiny):
    ours, theirs = pty.openpty()
    chat = subprocess.Popen(
        [PITH, "chat", "-m", tiny, "--max-tokens", "4", "--kv", ENDLESS, "--background", "off"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    os.close(theirs)
    os.write(ours, b"hello the and in\nand then?\n")
    chat.stdout.readline(), chat.stdout.readline()
    time.sleep(0.5)
    chat.send_signal(signal.SIGINT)
    assert "given up" in chat.stdout.readline().decode(errors="replace")
    os.write(ours, b"/bytes\n")
    assert "the full bf16 cache of" in chat.stdout.readline().decode(errors="replace")
    time.sleep(0.2)
    chat.send_signal(signal.SIGINT)  # at the prompt
    assert chat.wait(timeout=30) == 130
    os.close(ours)


def test_a_file_that_cannot_be_written_costs_the_block_only(pith, tiny, tmp_path):
    whole = pith(*TURNS, "-m", tiny, "--store", tmp_path / "there", input=LINES)
    command = [PITH, *map(str, TURNS), "-m", tiny, "--store", tmp_path / "full"]
    done = subprocess.run(command, input=LINES.encode(), capture_output=True, timeout=60, preexec_fn=limit_files(500))
    assert done.returncode == 0, done.stderr
    assert b"goes on without it" in done.stdout
    turns = [json.loads(line) for line in done.stdout.decode(errors="replace").splitlines()]
    assert turns[-1]["blocks_stored"] == 0 and turns[-1]["turns_compressed"] == 3
    assert [turn["answer"] for turn in turns] == answers(whole)
    assert block_files(tmp_path / "full") == []


def test_a_full_disk_costs_the_block_only(pith, tiny, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", disk], capture_output=True).returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    try:
        result = pith(*TURNS, "-m", tiny, "--store", disk / "blocks", input=LINES)
        assert result.code == 0, result.err
        notes = [note for turn in result.json for note in turn["notes"]]
        assert any("No space left" in note and "goes on without it" in note for note in notes), notes
        assert not [name for name in block_files(disk / "blocks") if not name.endswith(".block")]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_chat_goes_on_after_a_mistake(pith, tiny):
    result = pith("chat", "-m", tiny, "--max-tokens", 2, "--kv", "full", "--json", input="/frob\nhello\n")
    assert result.code == 1
    assert "/frob" in result.error
    assert len(result.json) == 1


def test_chat_refuses_recipes_that_see_the_question(fails, tiny):
    fails("chat", "-m", tiny, "--kv", "question_attention @ 0.5", input="", words=["question_attention", "between turns"])


@pytest.mark.parametrize("recipe", ["snapkv @ auto", "auto"])
def test_chat_refuses_the_budget_auto_before_the_first_turn(fails, tiny, recipe):
    result = fails("chat", "-m", tiny, "--kv", recipe, input="hello\n", words=[recipe, "whole documents", "@ 4x"])
    assert result.out == ""


def test_a_store_that_cannot_be_made_is_refused(fails, tiny):
    fails("chat", "-m", tiny, "--store", "/dev/null/blocks", input="", words=["/dev/null/blocks", "folder"])


def test_a_fact_survives_five_turns(pith, real_model):
    model = real_model("smollm2-135m-instruct")
    lines = (
        "My name is Ada Quill and the code of my locker is 7351. Please remember both, I will ask for them later. I work in a "
        "small harbour office where we keep lists of boats, crews and cargo, and I often forget numbers.\n"
        "Tell me in one or two sentences what a lighthouse is for.\nName three animals that live in the sea.\n"
        "What is the capital of France?\nGive me one tip for keeping a desk tidy.\nWhat is the code of my locker?\n"
    )
    result = pith("chat", "-m", model, "--max-tokens", 60, "--json", "--kv", "kvzip_plus + global @ 4x", input=lines)
    assert result.json[-1]["turns_compressed"] == 5
    assert "7351" in result.json[-1]["answer"]


@pytest.mark.parametrize("recall", ["off", "int4"])
def test_a_recall_brings_an_evicted_fact_back(pith, real_model, recall):
    model = real_model("qwen2.5-coder-0.5b-instruct")
    lines = (
        "Please remember this: the access code of the pump house is COPPER-IBEX-7112.\n"
        "Tell me in two sentences what a lighthouse is for.\nList five kinds of bread.\nExplain in three sentences how rain forms.\n"
        "Name three rivers in Europe and a city on each.\nWhat does a carpenter do? Answer in three sentences.\n"
        "What is the access code of the pump house?\n"
    )
    result = pith(
        *("chat", "-m", model, "--max-tokens", 100, "--json", "--kv", "full", "--when", "over:2MiB", "--recall", recall), input=lines
    )
    assert result.json[-1]["evicted"] > 0
    assert ("COPPER-IBEX-7112" in result.json[-1]["answer"]) == (recall == "int4")
