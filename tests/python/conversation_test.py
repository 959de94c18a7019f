"""pithkv.Conversation: turns that are compressed once each."""

import time

import pytest

TEXTS = ["hello the and in the hello and the in the", "and then the end?", "in the end the others and the hello"]


@pytest.fixture(scope="module")
def engine(pithkv, tiny):
    return pithkv.Engine(tiny, threads=1)


@pytest.fixture
def start(pithkv, engine):
    return lambda **options: pithkv.Conversation(engine, **{"recipe": "knorm @ 2x", "max_tokens": 6, **options})


def talk(conversation):
    for text in TEXTS:
        conversation.say(text)
        conversation.compress_now()
    return conversation


def test_compresses_finished_turns(start):
    small, exact = talk(start()).account(), talk(start(recipe="full")).account()
    assert (small.turns, small.compressed, small.fallbacks) == (3, 2, 0)
    assert small.cache_bytes <= exact.cache_bytes and small.entries < exact.entries
    assert small.full_bytes > 0 and exact.compressed == 0


def test_tells_answers_piece_by_piece(start):
    pieces = []
    answer = start().say(TEXTS[0], on_text=pieces.append)
    assert "".join(pieces) == answer.text and answer.stop_reason in {"max_tokens", "end_of_text"}
    assert start().say(TEXTS[0], on_text=lambda piece: False).stop_reason == "cancelled"


def test_what_on_text_raises_leaves_the_conversation_whole(start):
    def fails(piece):
        raise KeyError("the caller's")

    conversation, other = start(), start()
    with pytest.raises(KeyError, match="the caller's"):
        conversation.say(TEXTS[0], on_text=fails)
    other.say(TEXTS[0], on_text=lambda piece: False)
    assert conversation.say(TEXTS[1]).tokens == other.say(TEXTS[1]).tokens


def test_on_text_may_not_call_its_own_engine(pithkv, engine, start):
    with pytest.raises(pithkv.Error, match="on_text") as raised:
        start().say(TEXTS[0], on_text=lambda piece: engine.read("hello"))
    assert raised.value.code == "bad_input"


def test_compresses_in_the_background(start):
    conversation = start()
    for text in TEXTS[:2]:
        conversation.say(text)
    conversation.compress_in_background()
    while conversation.working:
        time.sleep(0.001)
    conversation.say(TEXTS[2])
    assert conversation.account().compressed == 1


def test_a_stop_gives_the_work_up(start):
    conversation = start(recipe="virtual(ratio=2, steps=1000000, least_steps=1000000)")
    for text in TEXTS[:2]:
        conversation.say(text)
    conversation.compress_in_background()
    assert conversation.working
    conversation.stop()
    assert not conversation.working and conversation.account().compressed == 0


def test_goes_on_from_a_file(start, tmp_path):
    conversation = talk(start())
    conversation.save(tmp_path / "talk.pith")
    loaded = start(load=tmp_path / "talk.pith")
    assert loaded.account().tokens == conversation.account().tokens
    assert loaded.say("the end").tokens == conversation.say("the end").tokens


def test_notes_say_what_went_wrong(start):
    conversation = talk(start(recipe="knorm @ 1KiB"))
    assert conversation.account().fallbacks == 2
    assert len(conversation.take_notes()) == 2 and conversation.take_notes() == []


@pytest.mark.parametrize(
    "code, words, options",
    [
        ("bad_recipe", "between turns", {"recipe": "question_attention @ 0.5"}),
        ("bad_input", "int3", {"cold": "int3"}),
        ("bad_input", "evict_to", {"evict_to": 0.0}),
        ("not_found", "nowhere", {"load": "nowhere.pith"}),
    ],
)
def test_errors_say_what_and_carry_a_code(pithkv, start, code, words, options):
    with pytest.raises(pithkv.Error, match=words) as raised:
        start(**options)
    assert raised.value.code == code


def test_a_saved_context_answers_as_before(pithkv, engine, tmp_path):
    small = engine.read("hello and the end " * 20, recipes=["knorm @ 2x"]).compress("knorm @ 2x")
    small.save(tmp_path / "small.pith")
    loaded = pithkv.Context.load(engine, tmp_path / "small.pith")
    assert loaded.ask("the end?").tokens == small.ask("the end?").tokens
    assert (loaded.recipe, loaded.entries) == (pithkv.canonical_recipe("knorm @ 2x"), small.entries)
    with pytest.raises(pithkv.Error, match="compressed already"):
        loaded.compress("knorm @ 4x")
