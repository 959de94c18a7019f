// Adjusters on scores that one can follow by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recipe/planner.h"
#include "recipe/recipe_test_support.h"
#include "support/error_of.h"

namespace pith::recipe {
namespace {

using test::error_of;
using ::testing::ElementsAre;
using testing::make_world;
using testing::scored;
using testing::World;

std::vector<std::int32_t> kept(const std::string& recipe, const World& world, Index lane = 0) {
  return Recipe::parse(recipe).plan(0, world.cache, world.signals).lanes[lane].keep;
}

TEST(Critical, TheSecondHalfGoesByTheProductWithTheValue) {
  World world = scored({{9, 8, 7, 6, 5, 4}}, 1);
  world.signals.layers[0].projected_values = {1, 1, 1, 1, 1, 10};
  EXPECT_THAT(kept("kvzip(sinks=0) @ 4tok", world), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(kept("kvzip(sinks=0) + critical @ 4tok", world), ElementsAre(0, 1, 2, 5));
}

TEST(Critical, SizesOfLanesGoByScoreOrByProduct) {
  World world = scored({{9, 8, 7, 6}, {5, 4, 3, 2}}, 2);
  world.signals.layers[0].projected_values = {1, 1, 1, 1, 9, 9, 9, 9};
  EXPECT_THAT(kept("kvzip(sinks=0) + critical + adakv(floor=0) @ 2tok", world, 1), ElementsAre());
  EXPECT_THAT(kept("kvzip(sinks=0) + critical(sizes=product) + adakv(floor=0) @ 2tok", world, 1),
              ElementsAre(0, 1, 2));  // 9 and 5 are set apart, 36 and 27 beat 8
}

TEST(Critical, IsRefusedWhereAllLanesKeepOneSet) {
  EXPECT_NE(error_of([] {
              Recipe::parse("kvzip + critical + positions @ 2x");
            }).find("critical chooses within each lane, but positions gives all lanes"),
            std::string::npos);
}

TEST(Defensive, NoScoreIsBelowTheMeanAndValuesWeigh) {
  World world = scored({{8, 0, 0, 0}}, 1);  // mean 2
  world.signals.layers[0].projected_values = {1, 1, 4, 2};
  EXPECT_THAT(kept("kvzip(sinks=0) + defensive @ 2tok", world), ElementsAre(0, 2));  // 8 2 8 4
  EXPECT_THAT(kept("kvzip(sinks=0) + defensive @ 3tok", world), ElementsAre(0, 2, 3));
  EXPECT_THAT(kept("kvzip(sinks=0) + defensive(floor=false) @ 1tok", world), ElementsAre(0));
}

TEST(Defensive, CoverageGoesFirstUpToTheEqualShare) {
  const World world = scored({{6, 3, 1, 0}, {9, 9, 9, 9}}, 2);
  const std::string recipe = "kvzip(sinks=0) + defensive(coverage=0.9) + global @ 2tok";
  EXPECT_THAT(kept("kvzip(sinks=0) + defensive + global @ 2tok", world, 1),
              ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(kept(recipe, world, 0), ElementsAre(0, 1));  // 9 of 10
  EXPECT_THAT(kept(recipe, world, 1), ElementsAre(2, 3));
}

// Without a budget no lane has a share: nothing is set apart, and all that covers goes first.
TEST(Adjusters, WorkWhereTheContentDecidesHowMuchStays) {
  World world = scored({{8, 4, 2, 1}}, 1);
  world.signals.layers[0].projected_values = {1, 1, 8, 1};
  EXPECT_THAT(kept("kvzip(sinks=0) + critical(sizes=product) + threshold(at=6)", world),
              ElementsAre(0, 2));
  EXPECT_THAT(kept("kvzip(sinks=0) + defensive(coverage=0.8) + threshold(at=100)", world),
              ElementsAre(0, 1));
  EXPECT_THAT(kept("kvzip(sinks=0) + floor(2) + threshold(at=6)", world), ElementsAre(0, 1));
}

TEST(Defensive, CoverageRefusesScoresBelowZero) {
  const World world = make_world({.layers = 1, .query_heads = 1, .kv_heads = 1, .tokens = 8});
  EXPECT_THAT(error_of([&] { kept("knorm + defensive(coverage=0.5) @ 4tok", world); }),
              ::testing::HasSubstr("scores of at least 0"));
}

// One key per token, one query row that looks at one of them: its maximum is 1, its mean 1/4.
TEST(Defensive, ScorersTakeTheMaximumOverQueriesAndHeads) {
  World world = make_world({.layers = 1,
                            .query_heads = 2,
                            .kv_heads = 1,
                            .head_dim = 4,
                            .tokens = 40,
                            .prefix = 0,
                            .window = 2,
                            .format = cache::Format::f32});
  const auto scores = [&](const char* recipe) {
    const Stage stage = read_stages(recipe).at(0);
    Scene scene(world.cache, world.signals, nullptr);
    scene.set_worst_case(!stage.adjusters.empty());
    scene.set_room({});
    return score({stage.scorer, {}, stage.allocator, stage.realiser, stage.format, {}}, scene)
        .lanes[0];
  };
  const auto mean = scores("snapkv(window=2, kernel=1) @ 0.5");
  const auto worst = scores("snapkv(window=2, kernel=1) + defensive @ 0.5");
  double total = 0;
  for (std::size_t j = 0; j < 38; ++j) {
    EXPECT_GE(worst[j], mean[j]);
    EXPECT_LE(worst[j], 4 * mean[j] * 1.0001f);  // the maximum of four rows is at most their sum
    total += worst[j];
  }
  EXPECT_GT(total, 1.0);
}

// So does every other scorer that takes a mean over queries or query heads.
TEST(Defensive, NoScorerKeepsToTheMean) {
  World world = make_world({.layers = 1, .tokens = 40, .prefix = 0, .window = 4});
  Signals& signals = world.signals;
  Rng rng(5);
  signals.layers[0].tail_attention = testing::positive(4 * 40, rng);
  signals.replay_queries.push_back({.wanted = 3, .count = 3, .queries = {}});
  signals.replay_queries[0].queries.push_back(testing::normal(4 * 3 * 8, rng));
  const auto scores = [&](const std::string& scorer, bool worst) {
    Scene scene(world.cache, signals, nullptr);
    scene.set_worst_case(worst);
    return score(read_stages(scorer + " @ 0.5").at(0), scene).lanes[0];
  };
  for (const char* scorer :
       {"attention(sum)", "attention(tail)", "capkv", "dropkv(window=4)", "duo(sinks=0, recent=0)",
        "expected_attention", "finch", "kvcompose", "question_attention", "raw_attention",
        "reference_attention(references=3)", "rkv(window=4)", "simlayer(sinks=1, recent=8, last=4)",
        "snapkv(window=4)", "tova"}) {
    const auto mean = scores(scorer, false), worst = scores(scorer, true);
    EXPECT_NE(worst, mean) << scorer;
    for (std::size_t j = 0; j < 30; ++j) EXPECT_GE(worst[j], mean[j] - 1e-6f) << scorer << j;
  }
  for (const char* scorer : {"non_causal", "compactor"})  // standardised afterwards
    EXPECT_NE(scores(scorer, true), scores(scorer, false)) << scorer;
}

TEST(Surprisal, WhatWasNotExpectedCountsMore) {
  World world = scored({{4, 4, 4, 4, 4, 4}}, 1);
  world.signals.surprisal = {1, 1, 1, 5, 1, 3};  // mean 2: weights 2/3, ... 2, ..., 4/3
  EXPECT_THAT(kept("kvzip(sinks=0) + surprisal(window=1) @ 2tok", world), ElementsAre(3, 5));
  EXPECT_THAT(kept("kvzip(sinks=0) + surprisal @ 3tok", world), ElementsAre(2, 3, 4));
  EXPECT_THAT(kept("kvzip(sinks=0) + surprisal(power=0) @ 2tok", world), ElementsAre(4, 5));
}

TEST(Surprisal, OfScoresBelowZeroTheNearerToZeroIsTheBetter) {
  World world = make_world({.layers = 1, .query_heads = 1, .kv_heads = 1, .tokens = 8});
  world.signals.surprisal = {0, 0, 0, 0, 0, 40, 0, 0};
  const auto keep = kept("knorm + surprisal(window=1) @ 1tok", world);
  EXPECT_THAT(keep, ElementsAre(5));
}

TEST(Structure, FrequentSeparatorsCountLess) {
  World world = scored({{9, 8, 7, 6, 5, 4}}, 1);
  world.signals.structure = {8, 0, 7, 0, 8, 0};
  EXPECT_THAT(kept("kvzip(sinks=0) + structure @ 3tok", world), ElementsAre(1, 2, 3));
  EXPECT_THAT(kept("kvzip(sinks=0) + structure(times=9) @ 3tok", world), ElementsAre(0, 1, 2));
}

TEST(Floor, EveryLaneIsSureOfItsBest) {
  const World world = scored({{9, 8, 7, 6}, {1, 2, 3, 4}}, 2);
  EXPECT_THAT(kept("kvzip(sinks=0) + global @ 2tok", world, 1), ElementsAre());
  EXPECT_THAT(kept("kvzip(sinks=0) + floor(1) + global @ 2tok", world, 1), ElementsAre(3));
  EXPECT_THAT(kept("kvzip(sinks=0) + floor(8) + global @ 2tok", world, 1), ElementsAre(2, 3));
}

}  // namespace
}  // namespace pith::recipe
