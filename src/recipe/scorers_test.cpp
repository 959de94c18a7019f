// Scorers on caches of two or three entries, against numbers that can be worked out by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "recipe/leverage.h"
#include "recipe/local_attention.h"
#include "recipe/planner.h"
#include "recipe/recipe_test_support.h"
#include "support/error_of.h"

namespace pith::recipe {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::IsEmpty;
using testing::World;

using Rows = std::vector<std::vector<float>>;  // [T][2 * Hkv]

// One layer without rotation, D 2, one query head per KV head; all queries are zero.
World hand_made(const Rows& keys, const Rows& values, Index kv_heads = 1) {
  World world{cache::Cache({1, kv_heads, 2, {}}, {}, cache::Format::f32), {}};
  std::vector<float> k, v;
  for (const auto& row : keys) k.insert(k.end(), row.begin(), row.end());
  for (const auto& row : values) v.insert(v.end(), row.begin(), row.end());
  world.cache.append(0, k, v, 0, 0);
  Signals& signals = world.signals;
  signals.tokens = signals.next_position = std::ssize(keys);
  signals.query_heads = kv_heads;
  signals.attention_scale = 1;
  signals.window = std::min<Index>(2, signals.tokens);
  signals.question_tokens = 1;
  const auto size = static_cast<std::size_t>(kv_heads);
  signals.layers.resize(1);
  signals.layers[0].window_queries.resize(size * static_cast<std::size_t>(signals.window) * 2);
  signals.layers[0].question_queries.resize(size * 2);
  signals.layers[0].question_keys.resize(size * 2);
  signals.layers[0].query_mean.resize(size * 2);
  return world;
}

std::vector<std::vector<float>> scores_of(const std::string& scorer, const World& world) {
  const Scene scene(world.cache, world.signals, nullptr);
  return score(read_stages(scorer + " @ 0.5").at(0), scene).lanes;
}

cache::Plan plan_of(const std::string& recipe, const World& world) {
  return Recipe::parse(recipe).plan(0, world.cache, world.signals);
}

auto near(float x) { return FloatNear(x, 1e-4f); }

const Rows kAny(4, {1, 0});

TEST(Leverage, IsWhatARowAddsToTheOthers) {
  const std::vector<float> rows = {1, 0, 0, 2};
  EXPECT_THAT(leverage(rows, 2, 1.0), ElementsAre(near(1.0f / 2), near(4.0f / 5)));
  const std::vector<float> weights = {3, 0};
  EXPECT_THAT(leverage(rows, 2, 1.0, weights), ElementsAre(near(1.0f / 4), near(4)));
}

TEST(Leverage, StandardisesOverHeadsAndLeavesProtectedScoresAlone) {
  std::vector<std::vector<float>> lanes = {{1, kForced, 3}, {2}};
  standardise(lanes);
  EXPECT_THAT(lanes[0], ElementsAre(near(-1), kForced, near(1)));
  EXPECT_THAT(lanes[1], ElementsAre(near(0)));
}

TEST(Leverage, KeysAreRotatedBack) {
  World world{cache::Cache({1, 1, 2, {}}, {{{1.0}}}, cache::Format::f32), {}};
  std::vector<float> keys;
  for (const float t : {0.0f, 1.0f, 2.0f}) {
    keys.push_back(std::cos(t));
    keys.push_back(std::sin(t));
  }
  world.cache.append(0, keys, keys, 0, 0);
  cache::Plan gap;
  gap.lanes.resize(1);
  gap.lanes[0].keep = {0, 2};
  world.cache.apply(gap);
  const Scene scene(world.cache, world.signals, nullptr);
  EXPECT_THAT(unrotated_keys(scene, 0), ElementsAre(near(1), near(0), near(1), near(0)));
}

TEST(LocalAttention, ColumnsSumWhatAllTokensPay) {
  const float log3 = std::log(3.0f);
  const std::vector<float> queries = {1, 0, 1, 0}, keys = {log3, 0, 0, 0};
  std::vector<float> columns(2);
  local_attention_columns(queries, local_panels(keys, 2, 0), 2, 1, 0, columns);
  EXPECT_THAT(columns, ElementsAre(near(1.5f), near(0.5f)));  // 3/4 and 1/4 of two queries
  local_attention_columns(queries, local_panels(keys, 2, 2), 2, 1, 2,
                          columns);  // two zeros: 3/6, 1/6; 1/4 of each zero
  EXPECT_THAT(columns, ElementsAre(near(1 + 0.5f), near(1.0f / 3 + 0.5f)));
}

// Two queries, of the tokens 2 and 3, look at all alike: thirds and quarters.
TEST(Attention, NormalisesByTheQueriesThatCouldSee) {
  EXPECT_THAT(scores_of("attention(tail, normalise=true)", hand_made(kAny, kAny))[0],
              ElementsAre(near(7.0f / 24), near(7.0f / 24), near(7.0f / 24), near(1.0f / 4)));
}

TEST(LagKv, ChannelsAreMeasuredOnTheNextPartition) {
  const World world = hand_made({{0, 1}, {0, 0}, {0, 0}, {1, 1}}, {{0, 0}, {0, 0}, {0, 0}, {0, 0}});
  EXPECT_THAT(scores_of("lagkv(lag=2, sinks=0)", world)[0], ElementsAre(0.5f, 0, kForced, kForced));
  // Deviations of keys are sqrt(1/2) and 0; values do not vary: softmaxes (.670, .330), (.5, .5).
  EXPECT_THAT(scores_of("lagkv(lag=2, sinks=0, cross=true)", world)[0],
              ElementsAre(near(0.58489f), near(0.41511f), kForced, kForced));
}

TEST(LagKv, PartitionsShrinkInAShortContext) {
  const World world = hand_made({{0, 1}, {0, 0}, {0, 0}, {1, 1}}, kAny);
  EXPECT_THAT(scores_of("lagkv(sinks=0)", world)[0], ElementsAre(0.5f, 0, kForced, kForced));
  EXPECT_THAT(scores_of("lagkv(sinks=0, quirk=kvpress)", world)[0],
              ElementsAre(0, 0.25f, 0.5f, 0.75f));
}

TEST(Cur, SharesOfNeighboursTimesEachOther) {
  const World world = hand_made({{1, 0}, {0, std::sqrt(3.0f)}}, {{1, 0}, {1, 0}});
  EXPECT_THAT(scores_of("cur(sinks=0)", world)[0], ElementsAre(near(0.25f), near(0.75f)));
  EXPECT_THAT(scores_of("cur(value, sinks=1)", world)[0], ElementsAre(kForced, near(0.5f)));
}

TEST(NonCausal, SmoothedAndStandardised) {
  World world = hand_made({{1, 0}, {1, 0}, {1, 0}}, {{1, 0}, {1, 0}, {1, 0}});
  world.signals.local_attention = {{.chunk = 256}};
  world.signals.layers[0].local_attention = {{3, 0, 3}};  // smoothed 1, 2, 1
  const float third = 1 / std::sqrt(3.0f);
  EXPECT_THAT(scores_of("non_causal", world)[0],
              ElementsAre(near(-third), near(2 * third), near(-third)));
}

TEST(Compactor, AddsLeverageByTheShareThatGoes) {
  World world = hand_made({{1, 0}, {0, 1}, {1, 1}, {5, 0}, {1, 0}}, Rows(5, {1, 0}));
  world.signals.local_attention = {{.chunk = 256, .first = 1, .last = 1}};
  world.signals.layers[0].local_attention = {{9, 1, 2, 3, 9}};
  const auto local = scores_of("compactor(first=1, last=1, blending=0)", world)[0];
  const auto both = scores_of("compactor(first=1, last=1, blending=2)", world)[0];
  const auto half = scores_of("compactor(first=1, last=1, blending=1)", world)[0];
  EXPECT_EQ(local[0], kForced);
  EXPECT_EQ(local[4], kForced);
  for (int j = 1; j < 4; ++j) EXPECT_NEAR(both[j] - local[j], 2 * (half[j] - local[j]), 1e-4);
  EXPECT_THAT(plan_of("compactor(first=1, last=1) @ 0.6", world).lanes[0].keep, ElementsAre(0, 4));
}

TEST(CapKv, ValuesThatOthersDoNotSpan) {
  const World world = hand_made({{1, 0}, {1, 0}}, {{1, 0}, {0, 2}});
  EXPECT_THAT(scores_of("capkv(n_sink=0)", world)[0], ElementsAre(near(0.5f), near(0.8f)));
}

TEST(Finch, TheQuestionTakesPartInItsSoftmax) {
  const World world = hand_made({{1, 0}, {1, 0}}, {{1, 0}, {1, 0}});
  EXPECT_THAT(scores_of("finch", world)[0], ElementsAre(near(2.0f / 3), near(2.0f / 3)));
  EXPECT_THAT(scores_of("finch(normalise=false)", world)[0],
              ElementsAre(near(1.0f / 3), near(1.0f / 3)));
  EXPECT_THAT(plan_of("finch @ 1tok", world).lanes[0].move_to, ElementsAre(1));  // closed up
  EXPECT_THAT(plan_of("finch + drop @ 1tok", world).lanes[0].move_to, IsEmpty());
}

TEST(SimLayer, LazyLayersLoseAllButSinksAndRecent) {
  const World world = hand_made(kAny, kAny);  // every token gets 1/4: sinks and recent 1/2
  EXPECT_THAT(scores_of("simlayer(sinks=1, recent=1)", world)[0],
              ElementsAre(kForced, near(-0.5f), near(-0.5f), kForced));
  EXPECT_THAT(plan_of("simlayer(sinks=1, recent=1) + threshold(-0.4)", world).lanes[0].keep,
              ElementsAre(0, 3));
  EXPECT_THAT(plan_of("simlayer(sinks=1, recent=1) + threshold(-0.6)", world).lanes[0].keep,
              ElementsAre(0, 1, 2, 3));
}

TEST(Threshold, SizesFollowTheScoresUnlessThereIsABudget) {
  const World world = hand_made({{1, 0}, {2, 0}, {3, 0}, {4, 0}}, kAny);
  EXPECT_THAT(plan_of("knorm + threshold(-2.5)", world).lanes[0].keep, ElementsAre(0, 1));
  EXPECT_THAT(plan_of("knorm + threshold @ 0.25", world).lanes[0].keep, ElementsAre(0, 1, 2));
  EXPECT_THAT(test::error_of([&] { plan_of("knorm + threshold(-2) @ 0.5", world); }),
              ::testing::HasSubstr("both say how much stays"));
  EXPECT_THAT(test::error_of([&] { plan_of("knorm + threshold", world); }),
              ::testing::HasSubstr("or, without one, threshold(at=...)"));
}

TEST(DropKv, TheErrorOfRemovingOneEntry) {
  // p = 1/4, (p / (1 - p))^2 = 1/9; o = (1, 0): 9/9 for the first value, 1/9 for those of 0.
  const World world = hand_made(kAny, {{4, 0}, {0, 0}, {0, 0}, {0, 0}});
  EXPECT_THAT(scores_of("dropkv(window=1, kernel=1)", world)[0],
              ElementsAre(near(1), near(1.0f / 9), near(1.0f / 9), kForced));
}

TEST(KvCompose, HeadsPartlyAgree) {
  World world = hand_made({{1, 0, 1, 0}, {1, 0, 1, 0}}, {{1, 0, 1, 0}, {1, 0, 1, 0}}, 2);
  world.signals.layers[0].second_pass = {0.4f, 0.1f, 0.2f, 0.3f};  // [Hq, T]
  const auto scores = scores_of("kvcompose", world);
  EXPECT_THAT(scores[0], ElementsAre(near(0.7f), near(0.3f)));
  EXPECT_THAT(scores[1], ElementsAre(near(0.5f), near(0.5f)));
}

TEST(Composite, LayersCompeteByTheirHeadsRanks) {
  World world = testing::make_world(
      {.layers = 2, .query_heads = 2, .kv_heads = 2, .head_dim = 2, .tokens = 2, .prefix = 0});
  world.signals.layers[0].second_pass = {9, 1, 1, 1};  // ranks 5, 1
  world.signals.layers[1].second_pass = {6, 6, 6, 6};  // ranks 6, 6
  const auto plan = plan_of("kvcompose(agree=false) @ 1tok", world);
  EXPECT_THAT(plan.lanes[0].keep, IsEmpty());
  EXPECT_THAT(plan.lanes[3].keep, ElementsAre(0, 1));
  const auto quirk = plan_of("kvcompose(agree=false) + composite(quirk=kvpress) @ 1tok", world);
  EXPECT_THAT(quirk.lanes[0].keep, ElementsAre(0));  // its ranks count 6, 6 and tie
}

TEST(Echo, ScoresAsTheReplayWould) {
  World world = hand_made(kAny, kAny);
  world.signals.prefix_tokens = 1;
  world.signals.layers[0].echo = {0, 1, 2, 3};
  world.signals.layers[0].echo_plus = {0, 3, 2, 1};
  EXPECT_THAT(scores_of("echo(sinks=0)", world)[0], ElementsAre(2, 3, 2, 1));
  EXPECT_THAT(scores_of("echo(plus=false, sinks=0)", world)[0], ElementsAre(2, 1, 2, 3));
}

TEST(QFilters, KeysAlongTheFilter) {
  World world = hand_made({{1, 5}, {2, -5}}, {{1, 0}, {1, 0}});
  world.signals.layers[0].query_filters = {0.6f, 0.8f};
  EXPECT_THAT(scores_of("qfilters", world)[0], ElementsAre(near(4.6f), near(-2.8f)));
}

TEST(KvZap, PredictionsWithSinksAndRecentKept) {
  World world = hand_made(kAny, kAny);
  world.signals.layers[0].kvzap = {-1, -2, -3, -4};
  EXPECT_THAT(scores_of("kvzap(sinks=1, recent=1)", world)[0],
              ElementsAre(kForced, -2, -3, kForced));
  EXPECT_THAT(plan_of("kvzap(sinks=0) + threshold(-2)", world).lanes[0].keep, ElementsAre(0, 1));
}

TEST(Duo, AHeadThatLooksAnywhereReachesHalf) {
  const World world = hand_made(kAny, kAny);  // running sum 1/4, 2/4, 3/4, 4/4
  EXPECT_THAT(scores_of("duo(sinks=1, recent=1, span=4)", world)[0],
              ElementsAre(kForced, near(0.625f), near(0.625f), kForced));
}

TEST(TriAttention, TheMeanQueryAndItsSpread) {
  World world = hand_made({{1, 0}, {0, 2}}, {{1, 0}, {1, 0}});
  world.signals.layers[0].query_mean = {3, 4};    // of length 5
  world.signals.layers[0].query_magnitude = {6};  // hence spread 1
  EXPECT_THAT(scores_of("triattention", world)[0], ElementsAre(near(3 + 1), near(8 + 2)));
}

TEST(RKv, OlderCopiesOfAKeyAreRedundant) {
  const World world = hand_made({{1, 0}, {1, 0}, {1, 0}, {0, 1}, {0, -9}}, Rows(5, {1, 0}));
  const auto scores = scores_of("rkv(window=1, weight=0)", world)[0];
  EXPECT_LT(scores[0], scores[1]);
  EXPECT_LT(scores[1], scores[3]);
  EXPECT_EQ(scores[4], kForced);
}

}  // namespace
}  // namespace pith::recipe
