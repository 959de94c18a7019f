#include "engine/learned/virtual_tokens.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/compress.h"
#include "engine/model_access.h"
#include "engine/reading.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

class VirtualTokens : public ::testing::Test {
 protected:
  void SetUp() override {
    test::TinyModelOptions options;
    options.layers = 3;
    bytes_ = test::tiny_model(options);
    engine_ = Engine::from(gguf::File::parse(bytes_, "tiny"),
                           {.threads = 2, .numerics = Numerics::exact});
  }

  static std::vector<Token> tokens(Index first, Index count) {
    std::vector<Token> out;
    for (Index t = 0; t < count; ++t) out.push_back(static_cast<Token>((first + 7 * t) % 256));
    return out;
  }

  std::vector<std::byte> bytes_;
  std::shared_ptr<Engine> engine_;
};

// At ratio 1 every chunk is one token: the initial embeddings are the tokens' own, and their values
// are the targets. It also says that the recorded forward pass is the engine's exact one.
TEST_F(VirtualTokens, RatioOneStartsAtItsGoal) {
  Context context(engine_);
  context.read(tokens(3, 6));
  const auto report = read_as_virtual(context, tokens(50, 9), 0,
                                      {.ratio = 1, .steps_per_250 = 0, .least_steps = 0});
  EXPECT_LT(report.first_loss, 1e-8f);
  EXPECT_EQ(report.entries, 9);
}

TEST_F(VirtualTokens, EntriesGiveWayAndPositionsGoOn) {
  Context context(engine_);
  context.read(tokens(3, 6));
  const auto report = read_as_virtual(context, tokens(50, 10), 0,
                                      {.ratio = 2.5, .steps_per_250 = 0, .least_steps = 1});
  EXPECT_EQ(report.entries, 4);
  EXPECT_EQ(context.cache().size(0), 6 + 4);
  EXPECT_EQ(context.next_position(), 16);
  std::vector<float> positions;
  for (const auto& entry : context.cache().read_info(0))
    if (entry.kind == cache::EntryKind::virtual_entry) positions.push_back(entry.position);
  EXPECT_EQ(positions, (std::vector<float>{6, 9, 12, 15}));
}

TEST_F(VirtualTokens, StepsLowerTheLoss) {
  Context context(engine_);
  context.read(tokens(3, 6));
  const auto report = read_as_virtual(context, tokens(50, 12), 0,
                                      {.ratio = 2, .steps_per_250 = 0, .least_steps = 60});
  EXPECT_LT(report.last_loss, 0.5f * report.first_loss);
}

TEST_F(VirtualTokens, TheSameSeedGivesTheSameEntries) {
  std::vector<float> keys[2];
  for (auto& result : keys) {
    Context context(engine_);
    context.read(tokens(3, 6));
    read_as_virtual(context, tokens(50, 12), 1,
                    {.ratio = 2, .steps_per_250 = 0, .least_steps = 3, .noise = 0.01, .seed = 7});
    result.resize(static_cast<std::size_t>(context.cache().size(2) * engine_->config().head_dim));
    context.cache().read_keys(2, result);
  }
  EXPECT_EQ(keys[0], keys[1]);
}

TEST_F(VirtualTokens, AStoppedTurnKeepsItsExactEntries) {
  Context context(engine_);
  context.read(tokens(3, 6));
  const auto report = read_as_virtual(context, tokens(50, 12), 0, {.ratio = 2, .least_steps = 5},
                                      [](Index step, Index, float) { return step < 2; });
  EXPECT_EQ(report.entries, 12);
  EXPECT_EQ(context.cache().size(0), 18);
  EXPECT_EQ(context.cache().read_info(0).back().kind, cache::EntryKind::exact);
}

TEST_F(VirtualTokens, ADivergedTurnKeepsItsExactEntries) {
  Context context(engine_);
  context.read(tokens(3, 6));
  const auto report = read_as_virtual(context, tokens(50, 12), 0,
                                      {.ratio = 2, .least_steps = 5, .learning_rate = 1e38});
  EXPECT_TRUE(report.diverged);
  EXPECT_EQ(context.cache().size(0), 18);
}

TEST_F(VirtualTokens, TurnsFollowOnWhatIsCompressed) {
  Context context(engine_);
  context.read(tokens(3, 6));
  const VirtualOptions options{.ratio = 2, .steps_per_250 = 0, .least_steps = 2};
  read_as_virtual(context, tokens(50, 8), 0, options);
  read_as_virtual(context, tokens(90, 8), 1, options);
  EXPECT_EQ(context.cache().size(0), 6 + 4 + 4);
  context.read(tokens(20, 3));
  EXPECT_EQ(context.next_position(), 25);
  for (float logit : context.logits()) ASSERT_TRUE(std::isfinite(logit));
}

TEST_F(VirtualTokens, TurnsAreCutWhereSentencesBegin) {
  const std::vector<std::int32_t> starts = {0, 8, 13, 25};
  using Turns = std::vector<std::pair<Index, Index>>;
  EXPECT_EQ(turns_of(3, 30, 10, starts), (Turns{{3, 13}, {13, 23}, {23, 30}}));
  EXPECT_EQ(turns_of(3, 30, 100, starts), (Turns{{3, 30}}));
  EXPECT_EQ(turns_of(5, 5, 10, starts), Turns{});
}

// The whole recipe: compress, then evict.
TEST_F(VirtualTokens, ARecipeCompressesThenEvicts) {
  Context context(engine_);
  const auto document = tokens(3, 46);
  const auto recipe = recipe::Recipe::parse(
      "virtual(ratio=2, turn=20, steps=0, least_steps=2) then attention(tail, window=8) + "
      "positions "
      "@ 14tok");
  EXPECT_TRUE(recipe.runs_model());
  const auto signals = read_document(context, document, recipe.needs(),
                                     {.prefix_tokens = 6, .sentence_starts = {0}});
  const auto report = compress(context, recipe, signals);
  EXPECT_EQ(context.cache().size(0), 14);
  EXPECT_EQ(report.entries_before, 46 * context.cache().shape().lanes());
  Index made = 0;
  for (const auto& entry : context.cache().read_info(0))
    made += entry.kind == cache::EntryKind::virtual_entry;
  EXPECT_GT(made, 0);
  EXPECT_EQ(context.next_position(), 46);
}

TEST_F(VirtualTokens, ABudgetIsForTheSecondStage) {
  EXPECT_THROW(recipe::Recipe::parse("virtual(ratio=2) @ 4x"), Error);
}

}  // namespace
}  // namespace pith
