// Documents of turns on tiny models: what is left of each turn, and of all of them.
#include "engine/conversation/turn_reading.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

constexpr Index kPrefix = 10, kTokens = 110;

class TurnReading : public ::testing::Test {
 protected:
  TurnReading()
      : file_(test::tiny_model({.context = 512})),
        engine_(Engine::from(gguf::File::parse(file_, "tiny"), {.threads = 1})),
        context_(engine_) {
    for (Index t = 0; t < kTokens; ++t) tokens_.push_back(static_cast<Token>(1 + t * 7 % 40));
    options_.prefix_tokens = kPrefix;
    options_.turn_starts = {10, 50, 90};
  }
  // Tokens of a lane's entries between two positions.
  Index held(Index begin, Index end) const {
    Index count = 0;
    for (const auto& entry : context_.cache().read_info(0))
      count += entry.span.begin >= begin && entry.span.begin < end;
    return count;
  }

  std::vector<std::byte> file_;
  std::shared_ptr<Engine> engine_;
  Context context_;
  std::vector<Token> tokens_;
  ReadOptions options_;
};

TEST_F(TurnReading, EachTurnKeepsItsShare) {
  const auto report =
      read_turn_by_turn(context_, tokens_, recipe::Recipe::parse("knorm @ 0.75"), options_);
  EXPECT_EQ(held(0, 10), 10);
  EXPECT_EQ(held(10, 50), 10);
  EXPECT_EQ(held(50, 90), 10);
  EXPECT_EQ(held(90, 110), 5);
  EXPECT_EQ(report.entries_after, context_.cache().entries());
  EXPECT_EQ(report.bytes_after, context_.cache().bytes().total());
  EXPECT_EQ(context_.next_position(), kTokens);
}

TEST_F(TurnReading, AgainLeavesTheShareOfAllTokens) {
  read_turns_again(context_, tokens_, recipe::Recipe::parse("knorm @ 0.75"), options_);
  EXPECT_EQ(held(0, kTokens), 27);  // a quarter of 110, whole entries
  EXPECT_EQ(context_.next_position(), kTokens);
}

// With positions alone to go by, what the second turn pushed out is gone for good.
TEST_F(TurnReading, AgainLetsLaterTurnsPushEarlierOnesOut) {
  read_turns_again(context_, tokens_, recipe::Recipe::parse("recency @ 30tok"), options_);
  EXPECT_EQ(held(80, 110), 30);
}

TEST_F(TurnReading, AgainLeavesEveryTurnItsQuota) {
  read_turns_again(context_, tokens_,
                   recipe::Recipe::parse("recency + turn_quota(entries=2) @ 30tok"), options_);
  EXPECT_EQ(held(10, 50), 2);
  EXPECT_EQ(held(50, 90), 8);
  EXPECT_EQ(held(90, 110), 20);
}

TEST_F(TurnReading, NeedsTurns) {
  options_.turn_starts.clear();
  try {
    read_turn_by_turn(context_, tokens_, recipe::Recipe::parse("knorm @ 0.5"), options_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_input);
  }
}

}  // namespace
}  // namespace pith
