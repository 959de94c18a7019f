// A piece of a conversation's work on a tiny model, and what is left of it where it fails.
#include "engine/conversation/conversation_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/tiny_model.h"

namespace pith {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Index kPrefix = 4, kSecondTurn = 20, kLastTurn = 36;

class Work : public ::testing::Test {
 protected:
  explicit Work(const test::TinyModelOptions& model = {}, Numerics numerics = Numerics::fast)
      : file_(test::tiny_model(model)),
        engine_(
            Engine::from(gguf::File::parse(file_, "tiny"), {.threads = 1, .numerics = numerics})),
        live_(engine_) {
    std::vector<Token> tokens;
    for (Index t = 0; t < 44; ++t) tokens.push_back(static_cast<Token>(1 + t * 7 % 40));
    live_.read(tokens);
    options_.over_bytes = 1;  // everything that may go goes
  }
  ConversationWork done(Index blocks = kPrefix, Index answer = 40) {
    ConversationWork work({.options = &options_,
                           .store = nullptr,
                           .blocks = live_.until(blocks),
                           .live = live_.fork(),
                           .key = "before",
                           .turn_starts = {kPrefix, kSecondTurn, kLastTurn},
                           .prefix_tokens = kPrefix,
                           .answer_begin = answer,
                           .answer_prompt = {}});
    work.run(engine_, {});
    return work;
  }
  std::span<const Token> turn(Index begin, Index end) const {
    return std::span(live_.tokens())
        .subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  }

  std::vector<std::byte> file_;
  std::shared_ptr<Engine> engine_;
  Context live_;
  ConversationOptions options_;
};

TEST_F(Work, EvictionLeavesThePrefixAndTwoOfEveryTurn) {
  ConversationWork work = done();
  EXPECT_EQ(work.blocks().cache().size(0), kPrefix + 2 * 2);
  EXPECT_EQ(work.account().evictions, 1);
  EXPECT_EQ(work.evicted_at(), 3);
  EXPECT_THAT(work.notes(), IsEmpty());
}

// All that was loaded is a block then, the last turn, too.
TEST_F(Work, WhatWasLoadedAndIsNotExactIsNotEvictedBeforeItsNextTurn) {
  ConversationWork work = done(44, 44);
  EXPECT_EQ(work.account().evictions, 0);
  EXPECT_THAT(work.notes(), IsEmpty());
}

class WindowedWork : public Work {
 protected:
  static constexpr Index kWindow = 8;  // of the first layer; the second sees everything
  WindowedWork()
      : Work({.architecture = "gemma3", .sliding_window = kWindow, .sliding_pattern = 2},
             Numerics::exact) {
    options_.over_bytes = 0;
  }
};

TEST_F(WindowedWork, BlocksKeepNoMoreThanTheWindow) {
  ConversationWork work = done();
  EXPECT_THAT(work.notes(), IsEmpty());
  EXPECT_EQ(work.blocks().cache().size(0), kWindow);
  EXPECT_EQ(work.blocks().cache().size(1), kWindow);
  EXPECT_EQ(work.blocks().cache().size(2), kLastTurn);
  Context whole = live_.until(kLastTurn), small = work.blocks().fork();
  whole.read(turn(kLastTurn, 44));
  small.read(turn(kLastTurn, 44));
  for (std::size_t i = 0; i < whole.logits().size(); ++i)
    ASSERT_NEAR(small.logits()[i], whole.logits()[i], 1e-4) << i;  // other tiles, other sums
  EXPECT_EQ(small.until(kLastTurn).cache().size(0), kWindow);
}

// Of 3 tiles in each lane, windows leave 1 in half of them: two thirds of the bytes.
TEST_F(WindowedWork, GlobalLanesAreNotEmptiedForWhatWindowsLeft) {
  options_.over_bytes = live_.cache().bytes().total() * 3 / 4;
  EXPECT_EQ(done().account().evictions, 0);
}

// A format that is none stands for whatever goes wrong between choosing what goes and keeping it.
TEST_F(Work, AnEvictionThatFailsHasNotHappened) {
  options_.cold = static_cast<cache::Format>(99);
  ConversationWork work = done();
  EXPECT_THAT(work.notes(), ElementsAre(HasSubstr("unknown format 99")));
  EXPECT_EQ(work.blocks().cache().size(0), kLastTurn);
  const BlockKey first = KeyMaker("before").add(turn(kPrefix, kSecondTurn)).key();
  EXPECT_EQ(work.key(), KeyMaker(first).add(turn(kSecondTurn, kLastTurn)).key());
  EXPECT_EQ(work.account().evicted, 0);
  EXPECT_EQ(work.evicted_at(), 0);
}

// What a recipe leaves out is kept with the block, or the block is not made.
TEST_F(Work, ATurnWhoseColdEntriesAreLostStaysExact) {
  options_.over_bytes = 0;
  options_.recipe = recipe::Recipe::parse("knorm @ 0.5");
  options_.cold = static_cast<cache::Format>(99);
  ConversationWork work = done();
  EXPECT_THAT(work.notes(), ElementsAre(HasSubstr("unknown format 99")));
  EXPECT_EQ(work.blocks().next_position(), kPrefix);
  EXPECT_EQ(work.key(), "before");
}

}  // namespace
}  // namespace pith
