// Realisers that hand on what goes, on lanes that one can follow by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "recipe/neighbours.h"
#include "recipe/planner.h"
#include "recipe/recipe_test_support.h"
#include "support/error_of.h"

namespace pith::recipe {
namespace {

using test::error_of;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::IsEmpty;

struct Entry {
  float score;  // kvzip's
  std::vector<float> key, value;
};

// One lane of two channels.
testing::World one_lane(const std::vector<Entry>& entries) {
  const Index n = std::ssize(entries);
  testing::World world = testing::make_world({.layers = 1,
                                              .query_heads = 1,
                                              .kv_heads = 1,
                                              .head_dim = 2,
                                              .tokens = n,
                                              .prefix = 0,
                                              .window = 2,
                                              .format = cache::Format::f32});
  testing::World out{cache::Cache(world.cache.shape(), world.cache.rotation(), cache::Format::f32),
                     world.signals};
  std::vector<float> keys, values;
  out.signals.layers[0].replay.clear();
  for (const Entry& entry : entries) {
    keys.insert(keys.end(), entry.key.begin(), entry.key.end());
    values.insert(values.end(), entry.value.begin(), entry.value.end());
    out.signals.layers[0].replay.push_back(entry.score);
  }
  out.cache.append(0, keys, values, 0, 0);
  return out;
}

cache::LanePlan plan_of(const std::string& recipe, const testing::World& world) {
  return Recipe::parse(recipe).plan(0, world.cache, world.signals).lanes[0];
}

// Entry 1 looks like entry 0, entry 3 like entry 2; the even ones stay.
testing::World pairs() {
  return one_lane(
      {{8, {1, 0}, {2, 0}}, {4, {3, 1}, {4, 6}}, {6, {0, 1}, {0, 3}}, {3, {0, 2}, {9, 3}}});
}

TEST(Neighbours, AreTheKeptEntriesWithTheMostSimilarKeys) {
  const testing::World world = pairs();
  Scene scene(world.cache, world.signals, nullptr);
  const auto all = nearest_kept(scene, 0, {.keep = {0, 2}});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].entry, 1);
  EXPECT_EQ(all[0].target, 0);
  EXPECT_NEAR(all[0].cosine, 3 / std::sqrt(10.0), 1e-6);
  EXPECT_EQ(all[1].target, 1);
  EXPECT_EQ(nearest_kept(scene, 0, {.keep = {0, 2}}, {false, true})[0].target, 1);
  EXPECT_THAT(nearest_kept(scene, 0, {.keep = {0, 2}}, {false, false}), IsEmpty());
}

TEST(Fold, MassAndValueGoToTheNearestKey) {
  const cache::LanePlan plan = plan_of("kvzip(sinks=0) + uniform + fold @ 0.5", pairs());
  EXPECT_THAT(plan.keep, ElementsAre(0, 2));
  EXPECT_THAT(plan.log_weight, ElementsAre(FloatNear(std::log(1.5f), 1e-6f),  // w = 4/8 and 3/6
                                           FloatNear(std::log(1.5f), 1e-6f)));
  EXPECT_THAT(plan.values, ElementsAre(FloatNear(4 / 1.5f, 1e-5f), FloatNear(2, 1e-5f),
                                       FloatNear(3, 1e-5f), FloatNear(3, 1e-5f)));
}

TEST(Fold, ArmsHandOnMassOrValueAlone) {
  const cache::LanePlan mass = plan_of("kvzip(sinks=0) + uniform + fold(mass) @ 0.5", pairs());
  EXPECT_THAT(mass.values, IsEmpty());
  EXPECT_EQ(mass.log_weight.size(), 2u);
  const cache::LanePlan value = plan_of("kvzip(sinks=0) + uniform + fold(value) @ 0.5", pairs());
  EXPECT_THAT(value.log_weight, IsEmpty());
  EXPECT_EQ(value.values.size(), 4u);
  EXPECT_TRUE(read_stages("kvzip + fold(mass) @ 2x").at(0).weighs());
  EXPECT_FALSE(read_stages("kvzip + fold(value) @ 2x").at(0).weighs());
}

// Two equal keys: the softmax over both is that over the folded one.
TEST(Fold, OfEqualKeysIsExact) {
  const testing::World world = one_lane({{2, {1, 1}, {3, 5}}, {1, {1, 1}, {6, 2}}});
  const cache::LanePlan plan = plan_of("kvzip(sinks=0) + uniform + fold @ 1tok", world);
  EXPECT_THAT(plan.values, ElementsAre(FloatNear(4, 1e-6f), FloatNear(4, 1e-6f)));
}

TEST(Fold, LeavesProtectedEntriesAlone) {
  const cache::LanePlan plan = plan_of("kvzip(sinks=1) + uniform + fold @ 0.5", pairs());
  EXPECT_EQ(plan.log_weight[0], 0);
  EXPECT_THAT(std::vector<float>(plan.values.begin(), plan.values.begin() + 2), ElementsAre(2, 0));
  EXPECT_GT(plan.log_weight[1], std::log(1.5f));
}

TEST(Fold, RefusesScoresBelowZero) {
  EXPECT_NE(error_of([] {
              plan_of("knorm + fold @ 0.5", pairs());
            }).find("fold compares scores by their ratio"),
            std::string::npos);
}

TEST(Fold, BytesOfWeightsAreCounted) {
  testing::World world =
      testing::make_world({.layers = 4, .tokens = 640, .format = cache::Format::bf16});
  for (const double asked : {4.0, 8.0}) {
    cache::Cache compressed = world.cache.fork();
    const std::string recipe = "kvzip + fold @ " + std::to_string(asked) + "x";
    compressed.apply(Recipe::parse(recipe).plan(0, world.cache, world.signals));
    const double ratio = static_cast<double>(world.cache.full_bytes()) /
                         static_cast<double>(compressed.bytes().total());
    EXPECT_GE(ratio, asked);
    EXPECT_LE(ratio, asked * 1.1);
  }
}

TEST(Merge, ValuesBlendByCosineAndNorm) {
  // cos = 3/sqrt(10), norms 5 and 2: w = cos * 5/7
  const testing::World world = one_lane({{9, {1, 0}, {2, 0}}, {1, {3, 1}, {3, 4}}});
  const cache::LanePlan plan = plan_of("kvzip(sinks=0) + uniform + merge @ 1tok", world);
  const float w = 3 / std::sqrt(10.0f) * 5 / 7;
  EXPECT_THAT(plan.values, ElementsAre(FloatNear((2 + 3 * w) / (1 + w), 1e-5f),
                                       FloatNear(4 * w / (1 + w), 1e-5f)));
  const cache::LanePlan none =
      plan_of("kvzip(sinks=0) + uniform + merge(threshold=0.96) @ 1tok", world);
  EXPECT_THAT(none.values, ElementsAre(2, 0));
}

TEST(Cam, SpreadsValuesOverTheEntriesThatFollow) {
  testing::World world = one_lane({{1, {1, 0}, {6, 0}}, {9, {1, 0}, {1, 1}}, {9, {1, 0}, {2, 2}}});
  world.signals.layers[0].attention_sum = {1, 3, 5};  // p = 1 / 4
  const cache::LanePlan plan = plan_of("kvzip(sinks=0) + uniform + cam(weight=mean) @ 2tok", world);
  EXPECT_THAT(plan.values, ElementsAre(FloatNear(1.75f, 1e-6f), 1, FloatNear(2.75f, 1e-6f), 2));
  world.signals.layers[0].attention_sum = {9, 3, 5};  // p = 1: the draw is certain
  const cache::LanePlan sure = plan_of("kvzip(sinks=0) + uniform + cam @ 2tok", world);
  EXPECT_THAT(sure.values, ElementsAre(4, 1, 5, 2));
}

TEST(Think, TheLeastUsedChannelBecomesZero) {
  testing::World world = one_lane({{9, {1, 3}, {1, 0}}, {9, {1, 3}, {0, 1}}});
  world.signals.layers[0].window_queries = {2, 1, 2, 1};  // squares: 1 * 4 against 9 * 1
  const cache::LanePlan plan = plan_of("kvzip(sinks=0) + uniform + think + f32 @ 0", world);
  EXPECT_THAT(plan.keys, ElementsAre(0, 3, 0, 3));
  cache::Cache compressed = world.cache.fork();
  compressed.apply({{plan}});
  std::vector<float> keys(4);
  compressed.read_keys(0, keys);
  EXPECT_THAT(keys, ElementsAre(0, 3, 0, 3));
  EXPECT_EQ(compressed.bytes().total(), world.cache.bytes().total());
}

}  // namespace
}  // namespace pith::recipe
