// Conversations that go on from a file.
#include <gtest/gtest.h>

#include "engine/conversation/conversation_test_support.h"

namespace pith {
namespace {

using test::kTexts;
namespace fs = std::filesystem;

using SavedConversation = test::ConversationTest;

TEST_F(SavedConversation, ASavedConversationKnowsItsTurns) {
  Conversation conversation(engine_, options("knorm @ 0.5"));
  talk(conversation);
  fs::create_directories(store_);
  conversation.save(store_ / "talk.pith");
  Conversation later(Context::load(engine_, store_ / "talk.pith"), options("knorm @ 0.5"));
  later.say("more");
  later.compress_now();
  EXPECT_EQ(later.account().compressed, 1);  // the one that was the last when it was saved
}

TEST_F(SavedConversation, OneThatWasSavedBeforeItsFirstTurnBeginsAnew) {
  fs::create_directories(store_);
  Conversation(engine_, options("knorm @ 0.5")).save(store_ / "empty.pith");
  Conversation later(Context::load(engine_, store_ / "empty.pith"), options("knorm @ 0.5"));
  Conversation fresh(engine_, options("knorm @ 0.5"));
  later.say(kTexts[0]);
  fresh.say(kTexts[0]);
  EXPECT_EQ(later.context().tokens(), fresh.context().tokens());
}

TEST_F(SavedConversation, OneThatFillsTheModelsRangeIsSavedWithoutItsLastToken) {
  const auto small = test::tiny_model({.context = 64});
  const auto engine = Engine::from(gguf::File::parse(small, "tiny"), {.threads = 1});
  ConversationOptions filling = options("full");
  filling.generation.max_tokens = 100;
  Conversation conversation(engine, filling);
  EXPECT_EQ(conversation.say(kTexts[0]).reason, StopReason::context_full);
  fs::create_directories(store_);
  conversation.save(store_ / "talk.pith");
  EXPECT_EQ(Context::load(engine, store_ / "talk.pith").next_position(), 64);
}

// The same file and the same turn, computed otherwise.
TEST_F(SavedConversation, OtherNumericsHaveOtherBlocksOfASavedConversation) {
  fs::create_directories(store_);
  Conversation conversation(engine_, options("knorm @ 0.5"));
  talk(conversation);
  conversation.save(store_ / "talk.pith");
  ConversationOptions with_store = options("knorm @ 0.5");
  with_store.store = store_ / "blocks";
  for (const Numerics numerics : {Numerics::fast, Numerics::exact}) {
    const auto engine =
        Engine::from(gguf::File::parse(bytes_, "tiny"), {.threads = 2, .numerics = numerics});
    Conversation later(Context::load(engine, store_ / "talk.pith"), with_store);
    later.say("more");
    later.compress_now();
    EXPECT_EQ(later.account().stored, 1);
    EXPECT_EQ(later.account().from_store, 0);
  }
}

// The file says nothing of a system prompt: what is its prefix is what both begin with.
TEST_F(SavedConversation, OtherPrefixesHaveOtherBlocksOfASavedConversation) {
  fs::create_directories(store_);
  ConversationOptions with_store = options("knorm @ 0.5");
  with_store.system = "hello the and in the end";
  Conversation conversation(engine_, with_store);
  talk(conversation);
  conversation.save(store_ / "talk.pith");
  with_store.store = store_ / "blocks";
  for (const char* system : {"hello the and in the end", "another"}) {
    with_store.system = system;
    Conversation later(Context::load(engine_, store_ / "talk.pith"), with_store);
    later.say("more");
    later.compress_now();
    EXPECT_EQ(later.account().stored, 1);
    EXPECT_EQ(later.account().from_store, 0);
  }
}

}  // namespace
}  // namespace pith
