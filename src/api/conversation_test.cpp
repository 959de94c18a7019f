#include <gmock/gmock.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "api/api_test_support.h"

namespace pithkv {
namespace {

using test::refusal;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kTexts[] = {"hello the and in the hello and the in the", "and then the end?",
                                  "in the end the others and the hello"};

class ConversationTest : public test::ApiTest {
 protected:
  static ConversationOptions options(const std::string& recipe = "knorm @ 2x") {
    ConversationOptions options;
    options.recipe = recipe;
    options.max_tokens = 6;
    return options;
  }
  static void talk(Conversation& conversation) {
    for (const char* text : kTexts) {
      conversation.say(text);
      conversation.compress_now();
    }
  }
};

TEST_F(ConversationTest, CompressesFinishedTurns) {
  const Engine engine = this->engine();
  Conversation exact(engine, options("full")), small(engine, options());
  talk(exact);
  talk(small);
  const ConversationAccount account = small.account();
  EXPECT_EQ(account.turns, 3);
  EXPECT_EQ(account.compressed, 2);
  EXPECT_EQ(account.fallbacks, 0);
  EXPECT_LT(account.entries, exact.account().entries);
  EXPECT_EQ(account.full_bytes, account.tokens * 2 * 2 * 2 * 16 * 2);  // L, Hkv, K and V, D, bf16
  EXPECT_EQ(exact.account().compressed, 0);
}

TEST_F(ConversationTest, TakesOverWhatTheBackgroundDid) {
  Conversation conversation(engine(), options());
  conversation.say(kTexts[0]);
  conversation.say(kTexts[1]);
  conversation.compress_in_background();
  while (conversation.working()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  conversation.say(kTexts[2]);
  EXPECT_EQ(conversation.account().compressed, 1);
}

TEST_F(ConversationTest, AStopEndsTheWorkAndLosesNothing) {
  Conversation conversation(engine(),
                            options("virtual(ratio=2, steps=1000000, least_steps=1000000)"));
  conversation.say(kTexts[0]);
  conversation.say(kTexts[1]);
  conversation.compress_in_background();
  EXPECT_TRUE(conversation.working());
  conversation.stop();
  EXPECT_FALSE(conversation.working());
  std::atomic<bool> ended{false};
  std::thread now([&] {
    conversation.compress_now();
    ended = true;
  });
  while (!ended) {  // it may not have begun
    conversation.stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  now.join();
  EXPECT_EQ(conversation.account().compressed, 0);
  EXPECT_LE(conversation.say(kTexts[2]).tokens.size(), 6u);
}

TEST_F(ConversationTest, AStopEndsWorkThatWaitsForItsTurn) {
  const Engine engine = this->engine();
  Conversation conversation(engine, options());
  conversation.say(kTexts[0]);
  conversation.say(kTexts[1]);
  const Context busy = engine.read(test::kDocument);
  std::thread waits, stops;
  busy.ask("Who signs?", {.on_text = [&](auto) {  // has the engine until it returns
             constexpr std::chrono::milliseconds kLong(300);
             waits = std::thread([&] { conversation.compress_now(); });
             std::this_thread::sleep_for(kLong);
             stops = std::thread([&] { conversation.stop(); });
             std::this_thread::sleep_for(kLong);
             return false;
           }});
  waits.join();
  stops.join();
  EXPECT_EQ(conversation.account().compressed, 0);
}

TEST_F(ConversationTest, EvictsAndRecalls) {
  ConversationOptions evicting = options("full");
  evicting.over_bytes = 24 << 10;
  evicting.cold = "int4";
  Conversation conversation(engine(), evicting);
  talk(conversation);
  EXPECT_GT(conversation.account().evicted, 0);
  EXPECT_GT(conversation.account().cold_bytes, 0);
  conversation.say(kTexts[0]);
  EXPECT_GT(conversation.account().recalled, 0);
}

TEST_F(ConversationTest, FindsItsTurnsInTheStore) {
  ConversationOptions stored = options();
  stored.store = folder_ / "blocks";
  for (const int from_store : {0, 2}) {
    Conversation conversation(engine(), stored);
    talk(conversation);
    EXPECT_EQ(conversation.account().from_store, from_store);
  }
}

TEST_F(ConversationTest, GoesOnFromAFile) {
  const Engine engine = this->engine();
  Conversation conversation(engine, options());
  talk(conversation);
  conversation.save(folder_ / "talk.pith");
  Conversation loaded = Conversation::load(engine, folder_ / "talk.pith", options());
  EXPECT_EQ(loaded.account().tokens, conversation.account().tokens);
  EXPECT_EQ(loaded.say("the end").tokens, conversation.say("the end").tokens);
}

TEST_F(ConversationTest, WhatOnTextThrowsEndsTheAnswerAsFalseDoes) {
  const Engine engine = this->engine();
  Conversation thrown(engine, options()), ended(engine, options());
  const OnText fails = [](std::string_view) -> bool { throw std::out_of_range("the caller's"); };
  EXPECT_THROW(thrown.say(kTexts[0], fails), std::out_of_range);
  EXPECT_EQ(ended.say(kTexts[0], [](auto) { return false; }).stop_reason, StopReason::cancelled);
  EXPECT_EQ(thrown.say(kTexts[1]).tokens, ended.say(kTexts[1]).tokens);
}

TEST_F(ConversationTest, NotesSayWhatWentWrong) {
  Conversation conversation(engine(), options("knorm @ 1KiB"));
  talk(conversation);
  EXPECT_EQ(conversation.account().fallbacks, 2);
  const auto notes = conversation.take_notes();
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_THAT(notes[0], AllOf(StartsWith("turn 1 "), HasSubstr("exact")));
  EXPECT_TRUE(conversation.take_notes().empty());
}

TEST_F(ConversationTest, RefusesOptionsOutOfRange) {
  const Engine engine = this->engine();
  const auto refused = [&](auto change) {
    ConversationOptions wrong = options();
    change(wrong);
    return refusal([&] { Conversation(engine, wrong); });
  };
  EXPECT_THAT(refused([](auto& o) { o.recipe = "question_attention @ 0.5"; }),
              AllOf(StartsWith("bad_recipe: "), HasSubstr("between turns")));
  EXPECT_THAT(refused([](auto& o) { o.cold = "int3"; }),
              AllOf(StartsWith("bad_input: "), HasSubstr("int3")));
  EXPECT_THAT(refused([](auto& o) { o.cold_folder = "cold"; }), HasSubstr("cold_folder"));
  EXPECT_THAT(refused([](auto& o) { o.evict_to = 0; }), HasSubstr("evict_to=0"));
  EXPECT_THAT(refused([](auto& o) { o.over_bytes = -1; }), HasSubstr("over_bytes=-1"));
  EXPECT_THAT(refused([](auto& o) { o.recall_entries = -1; }), HasSubstr("recall_entries=-1"));
  EXPECT_THAT(refused([](auto& o) { o.temperature = -1; }), StartsWith("bad_input: "));
}

}  // namespace
}  // namespace pithkv
