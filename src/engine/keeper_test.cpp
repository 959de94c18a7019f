// Keepers, most of them on a real model: budgets hold at every moment, whatever the recipe needs to
// know.
#include "engine/keeper.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "engine/compress.h"
#include "engine/prompt.h"
#include "engine/reading.h"
#include "engine/signals/stream.h"
#include "recipe/budget.h"
#include "support/models.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

constexpr const char* kModel = "smollm2-135m-instruct";
constexpr Index kTokens = 400, kChunk = 64;

class KeeperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto path = test::find_model(kModel);
    if (path.empty()) GTEST_SKIP() << "no model " << kModel << " here; pith pull " << kModel;
    static const auto engine = Engine::load(path);
    engine_ = engine;
    std::string text;
    for (int i = 0; text.size() < 4000; ++i)
      text += "Box " + std::to_string(i * 37 % 101) + " holds item " + std::to_string(i) + ".\n";
    tokens_ = engine_->tokenizer().encode(text);
    tokens_.resize(kTokens);
  }
  KeptReading read(Context& context, const std::string& recipe) const {
    const ReadOptions options{.prefix_tokens = 8,
                              .answer_prompt = engine_->tokenizer().encode(
                                  "<|im_end|>\n<|im_start|>assistant\n", {.parse_special = true})};
    return read_in_chunks(context, tokens_, recipe::Recipe::parse(recipe), kChunk, options);
  }
  Index lane_bytes(Index entries) const {
    recipe::LaneContent content;
    content.of(engine_->cache_format(), cache::Columns::plain) = entries;
    return recipe::lane_bytes(engine_->cache_shape(), content);
  }
  Index lanes() const { return engine_->cache_shape().lanes(); }

  std::shared_ptr<Engine> engine_;
  std::vector<Token> tokens_;
};

// All layers together: what the budget allows, one chunk, and while lanes are exchanged one lane
// twice; each lane's last tile may be half empty.
TEST_F(KeeperTest, PeakIsTheBudgetAndOneChunk) {
  for (const char* recipe :
       {"knorm @ 96tok", "snapkv(window=16) + adakv @ 96tok", "expected_attention + global @ 96tok",
        "kvzip_plus + global @ 96tok", "attention(sum) @ 96tok"}) {
    SCOPED_TRACE(recipe);
    Context context(engine_);
    const KeptReading kept = read(context, recipe);
    const Index budget = lanes() * lane_bytes(96), chunk = lanes() * lane_bytes(kChunk);
    const Index slack = lanes() * lane_bytes(16);
    EXPECT_LE(kept.peak_cache_bytes, budget + chunk + slack);
    EXPECT_GT(kept.peak_cache_bytes, budget);
    EXPECT_LE(context.cache().entries(), lanes() * 96);
    EXPECT_EQ(context.next_position(), kTokens);
    const bool replays = std::string(recipe).starts_with("kvzip");
    const Index largest = lane_bytes(kTokens);  // a lane may keep nearly everything
    if (!replays) {
      EXPECT_LE(kept.peak_bytes, budget + chunk + slack + largest);
    }
  }
}

TEST_F(KeeperTest, FractionsAndRatiosCountAgainstAllTokens) {
  Context half(engine_), quarter(engine_);
  read(half, "knorm @ 0.5");
  EXPECT_EQ(half.cache().size(0), kTokens / 2);
  const KeptReading kept = read(quarter, "knorm @ 4x");
  EXPECT_GE(kept.report.ratio(), 4);
  EXPECT_LE(kept.report.ratio(), 4.4);
}

TEST_F(KeeperTest, FullKeepsAllOnTheWay) {
  Context context(engine_);
  read(context, "full");
  EXPECT_EQ(context.cache().entries(), kTokens * lanes());
}

TEST_F(KeeperTest, LaterStagesCountAgainstAllTokensToo) {
  Context twice(engine_);
  read(twice, "knorm @ 0.5 then keydiff @ 0.5");
  EXPECT_EQ(twice.cache().size(0), kTokens / 4);
  Context mixed(engine_);
  EXPECT_THROW(read(mixed, "knorm @ 2x then keydiff @ 0.5"), Error);
  EXPECT_EQ(mixed.next_position(), 0);
}

// One chunk that holds the whole document is the prefill.
TEST_F(KeeperTest, OneChunkIsThePrefill) {
  for (const char* text :
       {"snapkv(window=16) @ 0.5", "expected_attention @ 0.5", "attention(sum) @ 0.5",
        "attention(max) @ 0.5", "snapkv(window=16) + critical + surprisal + structure @ 0.5"}) {
    SCOPED_TRACE(text);
    const auto recipe = recipe::Recipe::parse(text);
    Context streamed(engine_), whole(engine_);
    read_in_chunks(streamed, tokens_, recipe, kTokens, {});
    const auto signals = read_document(whole, tokens_, recipe.needs(), {});
    compress(whole, recipe, signals);
    Index different = 0;
    for (Index lane = 0; lane < lanes(); ++lane) {
      const auto a = streamed.cache().read_info(lane), b = whole.cache().read_info(lane);
      ASSERT_EQ(a.size(), b.size());
      std::set<float> here, there;
      for (const auto& entry : a) here.insert(entry.position);
      for (const auto& entry : b) there.insert(entry.position);
      for (float position : here) different += there.contains(position) ? 0 : 1;
    }
    EXPECT_LE(different, lanes() * kTokens / 200);  // sums are added in another order
  }
}

TEST_F(KeeperTest, ReplaysOfTheFirstChunkAreThoseOfTheDocument) {
  Context streamed(engine_), whole(engine_);
  const auto recipe = recipe::Recipe::parse("kvzip_plus @ 0.5");
  const ReadOptions options{.prefix_tokens = 8, .answer_prompt = {}};
  read_in_chunks(streamed, tokens_, recipe, kTokens, options);
  compress(whole, recipe, read_document(whole, tokens_, recipe.needs(), options));
  for (Index lane = 0; lane < lanes(); ++lane)
    EXPECT_EQ(streamed.cache().size(lane), whole.cache().size(lane)) << lane;
}

TEST_F(KeeperTest, AStageThatCannotBeMetLeavesTheCacheAsItWas) {
  Context context(engine_);
  const auto recipe = recipe::Recipe::parse("knorm @ 0.5 then knorm + pins(recent=100) @ 50tok");
  const auto signals = read_document(context, tokens_, recipe.needs(), {});
  EXPECT_THROW(compress(context, recipe, signals), Error);
  EXPECT_EQ(context.cache().entries(), kTokens * lanes());
}

// The first turn begins in the second chunk. All lanes keep the same tokens, so that what a turn is
// sure of stays the same.
TEST_F(KeeperTest, EveryTurnKeepsItsQuotaWhileADocumentIsRead) {
  const std::vector<std::int32_t> turns = {70, 200, 300};
  Context context(engine_);
  read_in_chunks(
      context, tokens_,
      recipe::Recipe::parse("knorm + turn_quota(entries=3) + pins(turns=1) + positions @ 128tok"),
      kChunk, {.prefix_tokens = 8, .answer_prompt = {}, .turn_starts = turns});
  for (Index lane = 0; lane < lanes(); ++lane) {
    std::vector<Index> kept(turns.size() + 1);
    for (const cache::EntryInfo& entry : context.cache().read_info(lane))
      ++kept[static_cast<std::size_t>(
          std::upper_bound(turns.begin(), turns.end(), entry.span.begin) - turns.begin())];
    EXPECT_GE(kept[1], 3);
    EXPECT_GE(kept[2], 3);
    EXPECT_EQ(kept[3], kTokens - 300);
    EXPECT_LE(context.cache().size(lane), 128);
  }
}

TEST_F(KeeperTest, RefusesWhatItCannotCollect) {
  Context context(engine_);
  try {
    Keeper keeper(context, recipe::Recipe::parse("question_attention @ 4x"), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("it looks at the question"), std::string::npos);
  }
}

TEST(Keeper, ABudgetThatGrowsWithTheTokensWaitsForThem) {
  const auto file = test::tiny_model({});
  Context context(Engine::from(gguf::File::parse(file, "tiny"), {.threads = 1}));
  Keeper keeper(context, recipe::Recipe::parse("knorm @ 4x"), {});
  const std::vector<Token> tokens(400, 7);
  keeper.append(std::span(tokens).first(20));
  EXPECT_NE(keeper.compress_or_wait().find("the smallest plan takes"), std::string::npos);
  EXPECT_EQ(keeper.compressions(), 0);
  keeper.append(tokens);
  EXPECT_EQ(keeper.compress_or_wait(), "");
  EXPECT_EQ(keeper.compressions(), 1);
}

// However many come: nothing to wait for.
TEST(Keeper, AFixedBudgetDoesNotWait) {
  const auto file = test::tiny_model({});
  Context context(Engine::from(gguf::File::parse(file, "tiny"), {.threads = 1}));
  Keeper keeper(context, recipe::Recipe::parse("knorm @ 1KiB"), {});
  keeper.append(std::vector<Token>(20, 7));
  EXPECT_THROW(keeper.compress_or_wait(), Error);
}

TEST(Stream, RowsAreMadeLonger) {
  std::vector<float> rows = {1, 2, 3, 4};
  lengthen_rows(rows, 2, 2, 3);
  EXPECT_EQ(rows, (std::vector<float>{1, 2, 0, 3, 4, 0}));
}

}  // namespace
}  // namespace pith
