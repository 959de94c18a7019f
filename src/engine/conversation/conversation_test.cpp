#include "engine/conversation/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "engine/calibration/calibration.h"
#include "engine/conversation/conversation_test_support.h"
#include "engine/conversation/turn_block.h"
#include "engine/conversation/turn_recipe.h"
#include "support/error_of.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

using test::kTexts;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

using ConversationTest = test::ConversationTest;

TEST_F(ConversationTest, FinishedTurnsAreHalvedAndTheLastIsExact) {
  Conversation conversation(engine_, options("knorm @ 0.5"));
  conversation.say("hello the and in");
  const Index first = conversation.context().next_position();
  conversation.compress_now();
  EXPECT_EQ(conversation.context().cache().size(0), first);  // it is the last one
  conversation.say("and then?");
  conversation.compress_now();
  const auto reports = conversation.take_reports();
  ASSERT_EQ(reports.size(), 1u);
  const Index turn = reports[0].tokens, kept = turn / 2;
  EXPECT_EQ(reports[0].entries, kept * 4);  // two layers of two heads
  EXPECT_EQ(conversation.context().cache().size(3),
            conversation.context().next_position() - turn + kept);
}

TEST_F(ConversationTest, ATurnIsCompressedOnce) {
  Conversation conversation(engine_, options("knorm @ 0.5"));
  talk(conversation);
  conversation.compress_now();
  EXPECT_EQ(conversation.account().compressed, 3);
  EXPECT_EQ(conversation.take_reports().size(), 3u);
}

TEST_F(ConversationTest, TheSameHistoryTakesItsBlocksFromTheStore) {
  ConversationOptions with_store = options("snapkv(window=4) @ 0.5");
  with_store.store = store_;
  Conversation first(engine_, with_store), second(engine_, with_store);
  talk(first);
  talk(second);
  EXPECT_EQ(first.account().stored, 3);
  EXPECT_EQ(second.account().from_store, 3);
  EXPECT_EQ(keys(first), keys(second));
}

TEST_F(ConversationTest, AnotherRecipeHasOtherBlocks) {
  for (const char* recipe : {"knorm @ 0.5", "knorm @ 0.25"}) {
    ConversationOptions with_store = options(recipe);
    with_store.store = store_;
    Conversation conversation(engine_, with_store);
    talk(conversation);
    EXPECT_EQ(conversation.account().from_store, 0);
  }
}

TEST_F(ConversationTest, AnotherCalibrationHasOtherBlocks) {
  fs::create_directories(store_);
  const auto file = store_ / "calibration";
  const auto engine =
      Engine::from(gguf::File::parse(bytes_, "tiny"), {.threads = 2, .calibration = file});
  ConversationOptions with_store = options("knorm + csa @ 0.5");
  with_store.store = store_ / "blocks";
  const auto talk_with = [&](std::vector<float> diffuseness) {
    Calibration made{"tiny", engine->model().hash(), "", {{"diffuseness", {{4}, diffuseness}}}};
    made.save(file);
    Conversation conversation(engine, with_store);
    talk(conversation);
    return conversation.account().from_store;
  };
  EXPECT_EQ(talk_with({1, 2, 3, 4}), 0);
  EXPECT_EQ(talk_with({1, 2, 3, 4}), 3);
  EXPECT_EQ(talk_with({4, 3, 2, 1}), 0);
}

TEST_F(ConversationTest, ADamagedBlockIsMadeAnew) {
  ConversationOptions with_store = options("knorm @ 0.5");
  with_store.store = store_;
  Conversation first(engine_, with_store);
  talk(first);
  fs::resize_file(a_block(), 300);
  Conversation second(engine_, with_store), third(engine_, with_store);
  talk(second);
  const auto notes = second.take_notes();
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("made anew"));
  EXPECT_THAT(notes[0], ::testing::Not(HasSubstr("again")));  // nothing that the reader need do
  EXPECT_EQ(keys(first), keys(second));
  talk(third);
  EXPECT_EQ(third.account().from_store, 3);
}

TEST_F(ConversationTest, ABlockOfAnotherHistoryIsRefused) {
  const BlockStore store(store_);
  Context before(engine_);
  before.read(std::vector<Token>{1, 2, 3});
  Context after = before.fork();
  after.read(std::vector<Token>{4, 5});
  const cache::Cache entries = after.cache().part(3);
  store.put("k", before, std::vector<Token>{4, 5}, entries, "full");
  EXPECT_TRUE(store.find("k", before, std::vector<Token>{4, 5}).has_value());
  EXPECT_THROW(store.find("k", before, std::vector<Token>{4, 6}), Error);
}

TEST_F(ConversationTest, ABlockOfAnotherRotationIsRefused) {
  const BlockStore store(store_);
  const auto file = test::tiny_model({.rope_base = 1e6});
  const auto other = Engine::from(gguf::File::parse(file, "other"), {.threads = 2});
  const std::vector<Token> turn{4, 5};
  Context before(engine_), before_other(other);
  for (Context* context : {&before, &before_other}) context->read(std::vector<Token>{1, 2, 3});
  Context after = before.fork();
  after.read(turn);
  store.put("k", before, turn, after.cache().part(3), "full");
  EXPECT_TRUE(store.find("k", before, turn).has_value());
  EXPECT_THAT(test::error_of([&] { store.find("k", before_other, turn); }),
              HasSubstr("the rotation is not what its name says"));
}

TEST_F(ConversationTest, WhatAKilledProcessLeftIsRemoved) {
  fs::create_directories(store_);
  const auto left = store_ / "00.block.999999999.12.part", mine = store_ / "notes.txt";
  std::ofstream(left) << "half";
  std::ofstream(mine) << "mine";
  const BlockStore store(store_);
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(mine));
}

TEST_F(ConversationTest, StoppedWorkLeavesTheTurnsExact) {
  Conversation stopped(engine_, options("knorm @ 0.5")), exact(engine_, options("full"));
  for (const char* text : kTexts) {
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(stopped.say(text).tokens, exact.say(text).tokens);
    stopped.compress_now(stop.get_token());
  }
  EXPECT_EQ(stopped.account().compressed, 0);
  stopped.compress_now();
  EXPECT_EQ(stopped.account().compressed, 3);
}

// A calibration that cannot be looked for: it is a link to itself.
TEST_F(ConversationTest, WhatTheBackgroundThrowsIsNoted) {
  fs::create_directories(store_);
  const auto file = store_ / "calibration";
  const auto engine =
      Engine::from(gguf::File::parse(bytes_, "tiny"), {.threads = 2, .calibration = file});
  Calibration{"tiny", engine->model().hash(), "", {{"diffuseness", {{4}, {1, 2, 3, 4}}}}}.save(
      file);
  Conversation conversation(engine, options("knorm + csa @ 0.5"));
  fs::remove(file);
  fs::create_symlink(file, file);
  conversation.say(kTexts[0]);
  conversation.say(kTexts[1]);
  conversation.compress_in_background();
  while (conversation.working()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  conversation.compress_in_background();  // takes over, and begins anew
  conversation.stop();
  EXPECT_THAT(conversation.take_notes(), ::testing::Contains(HasSubstr("stays exact")));
  EXPECT_EQ(conversation.account().compressed, 0);
  EXPECT_EQ(conversation.say(kTexts[2]).tokens.size(), 6u);
}

TEST_F(ConversationTest, AStopTokenEndsWithItsCallWhateverIsThrown) {
  Conversation conversation(engine_, options("virtual(ratio=2,steps=10)"));
  conversation.say(kTexts[0]);
  conversation.say(kTexts[1]);
  std::stop_source stop;
  const auto give_up = [](Index, Index) { throw 1; };
  EXPECT_THROW(conversation.compress_now(stop.get_token(), give_up), int);
  stop.request_stop();
  EXPECT_EQ(conversation.say(kTexts[2]).tokens.size(), 6u);
}

TEST_F(ConversationTest, TheBackgroundMakesTheSameBlocks) {
  Conversation now(engine_, options("kvzip_plus + global @ 0.5")),
      later(engine_, options("kvzip_plus + global @ 0.5"));
  for (Conversation* one : {&now, &later}) {
    one->say(kTexts[0]);
    one->say(kTexts[1]);
  }
  now.compress_now();
  later.compress_in_background();
  while (later.working()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  later.compress_in_background();  // takes over what is done
  EXPECT_EQ(later.account().compressed, 1);
  EXPECT_EQ(keys(now), keys(later));
}

TEST_F(ConversationTest, AQuestionDoesNotWaitForTheBackground) {
  Conversation conversation(engine_, options("virtual(ratio=2,steps=1000000,least_steps=1000000)"));
  conversation.say(kTexts[0]);
  conversation.say(kTexts[1]);
  conversation.compress_in_background();
  conversation.say(kTexts[2]);
  EXPECT_TRUE(conversation.working());
  conversation.stop();
  EXPECT_EQ(conversation.account().compressed, 0);
  EXPECT_EQ(conversation.context().cache().size(0), conversation.context().next_position());
}

TEST_F(ConversationTest, DivergingTurnsAreFittedByMatchAndSaySo) {
  Conversation conversation(engine_, options("virtual(ratio=2,steps=10,least_steps=50,lr=900)"));
  conversation.say(kTexts[0]);
  conversation.say(kTexts[1]);
  conversation.compress_now();
  const auto notes = conversation.take_notes();
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("fitted by match instead"));
  EXPECT_EQ(conversation.account().fallbacks, 1);
  EXPECT_THAT(conversation.take_reports()[0].recipe, HasSubstr("match"));
}

TEST_F(ConversationTest, EvictionLeavesThePrefixAndTwoOfEveryTurn) {
  ConversationOptions small = options("full");
  small.over_bytes = 1;  // as little as can be
  Conversation conversation(engine_, small);
  talk(conversation);
  const auto prefix = static_cast<std::int32_t>(
      engine_->tokenizer().encode("<|im_start|>user\n", {.parse_special = true}).size());
  for (Index lane = 0; lane < 4; ++lane) {
    Index of_prefix = 0;
    for (const auto& entry : conversation.context().cache().read_info(lane))
      of_prefix += entry.span.begin < prefix;
    EXPECT_EQ(of_prefix, prefix);
  }
  const Index last_turn = engine_->tokenizer().encode(kTexts[3]).size();
  EXPECT_GT(conversation.context().cache().size(0), prefix + 3 * 2 + last_turn);
  EXPECT_LT(conversation.context().cache().size(0), prefix + 3 * 2 + 40);
  EXPECT_GT(conversation.account().evicted, 0);
}

TEST_F(ConversationTest, AStoppedEvictionIsMadeUpFor) {
  ConversationOptions small = options("full");
  small.over_bytes = 1;
  Conversation conversation(engine_, small);
  conversation.say(kTexts[0]);
  conversation.say(kTexts[1]);
  std::stop_source stop;
  stop.request_stop();
  conversation.compress_now(stop.get_token());
  EXPECT_EQ(conversation.account().evictions, 0);
  for (int i = 0; i < 2; ++i) {  // once for each turn
    conversation.compress_now();
    EXPECT_EQ(conversation.account().evictions, 1);
  }
}

TEST_F(ConversationTest, EvictionEndsBelowThreeQuarters) {
  ConversationOptions bounded = options("full");
  bounded.over_bytes = 36 << 10;
  Conversation conversation(engine_, bounded);
  Index evictions = 0;
  for (int round = 0; round < 3; ++round)
    for (const char* text : kTexts) {
      conversation.say(text);
      conversation.compress_now();
      const Index bytes = conversation.context().cache().bytes().total();
      EXPECT_LE(bytes, 36 << 10);
      const Index now = conversation.account().evictions;
      if (now > evictions) {
        EXPECT_LE(bytes, 27 << 10);
      }
      evictions = now;
    }
  EXPECT_GT(evictions, 0);
}

TEST_F(ConversationTest, EvictedEntriesAreRecalledInAnotherFormat) {
  ConversationOptions recalling = options("full");
  recalling.over_bytes = 24 << 10;
  recalling.cold = cache::Format::int4;
  Conversation conversation(engine_, recalling);
  for (int round = 0; round < 3; ++round) talk(conversation);
  const ConversationAccount account = conversation.account();
  EXPECT_GT(account.recalled, 0);
  EXPECT_EQ(account.cold_entries, account.evicted - account.recalled);
  EXPECT_GT(account.cold_bytes, 0);
}

// All that was evicted comes back, from formats that rounded it otherwise.
TEST_F(ConversationTest, BlocksBehindOtherRecalledEntriesAreOtherBlocks) {
  ConversationOptions recalling = options("bf16");  // keeps all, but its blocks are stored
  recalling.store = store_;
  recalling.over_bytes = 1;
  recalling.recall_entries = 1 << 20;
  for (const cache::Format format : {cache::Format::int8, cache::Format::int4}) {
    recalling.cold = format;
    Conversation conversation(engine_, recalling);
    for (const char* text : std::span(kTexts).first(3)) {
      conversation.say(text);
      conversation.compress_now();
    }
    const ConversationAccount account = conversation.account();
    EXPECT_GT(account.recalled, 0);
    EXPECT_EQ(account.from_store, format == cache::Format::int4 ? 1 : 0);  // the first turn's
    EXPECT_EQ(account.compressed, 2);
  }
}

TEST_F(ConversationTest, ColdEntriesInAFileAreRecalledAlike) {
  ConversationOptions recalling = options("full");
  recalling.over_bytes = 24 << 10;
  recalling.cold = cache::Format::int4;
  Conversation in_memory(engine_, recalling);
  recalling.cold_folder = store_ / "cold";
  Conversation in_file(engine_, recalling);
  for (int round = 0; round < 3; ++round) {
    talk(in_memory);
    talk(in_file);
  }
  EXPECT_EQ(in_file.account().recalled, in_memory.account().recalled);
  EXPECT_EQ(in_file.account().cold_entries, in_memory.account().cold_entries);
  EXPECT_TRUE(in_file.account().cold_on_disk);
  EXPECT_TRUE(fs::is_empty(recalling.cold_folder));
}

// The next turn goes on behind the text before it, though a token may have had a part in both.
TEST_F(ConversationTest, AStopStringIsNoPartOfTheConversation) {
  ConversationOptions stopping = options("full");
  stopping.generation.max_tokens = 12;
  stopping.generation.sampling = {.temperature = 1, .seed = 1};
  Conversation whole(engine_, stopping);
  const std::string text = whole.say(kTexts[0]).text;
  const Index begin = whole.context().next_position() - 11;  // the last token is not read
  stopping.generation.stop = {text.substr(text.size() / 2, 1)};
  Conversation conversation(engine_, stopping);
  const Generated answer = conversation.say(kTexts[0]);
  EXPECT_EQ(answer.reason, StopReason::stop_string);
  EXPECT_EQ(conversation.context().next_position(), begin + answer.before_stop);
  conversation.say(kTexts[1]);
  auto expected = engine_->tokenizer().encode(Utf8Stream().push(answer.tail));
  for (const Token token :
       engine_->tokenizer().encode(conversation.frame().between, {.parse_special = true}))
    expected.push_back(token);
  const auto at = conversation.context().tokens().begin() + begin + answer.before_stop;
  EXPECT_EQ(std::vector<Token>(at, at + std::ssize(expected)), expected);
}

TEST_F(ConversationTest, AStoreThatIsAFileIsRefused) {
  std::ofstream(store_) << "a file";
  EXPECT_THAT(test::error_of([&] { BlockStore store(store_); }),
              HasSubstr("there is a file of that name"));
  EXPECT_THAT(test::error_of([&] { BlockStore store(store_ / "blocks"); }),
              HasSubstr("there is a file of that name, or of one above it"));
}

TEST_F(ConversationTest, RecipesThatNeedTheQuestionAreRefused) {
  EXPECT_THROW(Conversation(engine_, options("question_attention @ 0.5")), Error);
}

TEST_F(ConversationTest, ColdFormatsThatAreNotPackedAreRefused) {
  ConversationOptions recalling = options("full");
  recalling.cold = cache::Format::bf16;
  EXPECT_THAT(test::error_of([&] { Conversation(engine_, recalling); }),
              HasSubstr("cold entries in bf16: only packed formats"));
}

}  // namespace
}  // namespace pith
