#include "probe/survival.h"

#include <gmock/gmock.h>

#include "probe/overlap.h"

namespace pith::probe {
namespace {

using testing::ElementsAre;

// The vector of sources.md §8: 2 layers x 2 KV heads, 6 tokens, the answer is tokens 2 and 3.
KeptSets example() {
  KeptSets kept(2, 2, 6);
  const std::vector<Index> sets[] = {{0, 1, 2}, {0, 1, 5}, {0, 1, 4}, {0, 1, 5}};
  for (Index lane = 0; lane < 4; ++lane)
    for (Index t : sets[lane]) kept.keep(lane, t);
  return kept;
}
const std::vector<Index> kText = {0, 1, 2, 3, 4, 5}, kAnswer = {2, 3};

TEST(Survival, EvictionRateInBothScopes) {
  const Scoped rate = share_gone(example(), kText);
  EXPECT_DOUBLE_EQ(rate.all, 1.0 / 6);
  EXPECT_THAT(rate.layers, ElementsAre(2.0 / 6, 2.0 / 6));
  EXPECT_DOUBLE_EQ(rate.mean, 2.0 / 6);
}

TEST(Survival, GlobalEvictionRatioInBothScopes) {
  const Scoped ger = share_gone(example(), kAnswer);
  EXPECT_DOUBLE_EQ(ger.all, 0.5);
  EXPECT_THAT(ger.layers, ElementsAre(0.5, 1.0));
  EXPECT_DOUBLE_EQ(ger.mean, 0.75);
  EXPECT_DOUBLE_EQ(ger.max, 1.0);
}

TEST(Survival, CountsRoutesAndWhatHasNone) {
  EXPECT_THAT(gone_everywhere(example()), ElementsAre(0, 0, 0, 1, 0, 0));
  EXPECT_THAT(route_counts(example()), ElementsAre(4, 4, 1, 0, 1, 2));
}

TEST(Survival, AnAnswerIsGoneWhenAllOfItIs) {
  const std::vector<Index> third = {3}, none;
  EXPECT_FALSE(all_gone(example(), kAnswer));
  EXPECT_TRUE(all_gone(example(), third));
  EXPECT_FALSE(all_gone(example(), none));
  EXPECT_EQ(share_gone(example(), none).all, 0);
}

TEST(Survival, TheProxyLooksAtTheMostImportantTenth) {
  KeptSets kept(1, 1, 20);
  for (Index t = 0; t < 20; ++t)
    if (t != 7) kept.keep(0, t);
  std::vector<Index> tokens;
  for (Index t = 0; t < 20; ++t) tokens.push_back(t);
  std::vector<float> importance(20, 0.1f);
  importance[7] = 0.9f;
  importance[3] = 0.8f;
  EXPECT_DOUBLE_EQ(ger_proxy(kept, tokens, importance), 0.5);  // of {7, 3}, 7 is gone
}

TEST(Survival, WeighsWhatIsGoneBySurprisal) {
  const std::vector<float> surprisal = {0, 1, 2, 6, 1, 2};
  EXPECT_DOUBLE_EQ(weight_gone(example(), kText, surprisal), 0.5);
}

TEST(Survival, LeavesWindowsOut) {
  KeptSets kept = example();
  kept.windowed[0] = 1;
  EXPECT_DOUBLE_EQ(share_gone(kept, kAnswer).all, 1);
  EXPECT_DOUBLE_EQ(share_gone(kept, kAnswer).mean, 1);
  EXPECT_THAT(route_counts(kept), ElementsAre(2, 2, 0, 0, 1, 1));
}

TEST(Survival, ReadsSpansOffTheCache) {
  cache::Cache cache({.layers = 1, .kv_heads = 1, .head_dim = 2}, {{{1.0}}}, cache::Format::f32);
  const std::vector<float> rows(8);
  cache.append(0, rows, rows, 0, 0);
  cache::Plan plan;
  auto& lane = plan.lanes.emplace_back();
  lane.keep = {0, 3};
  lane.add.info = {{.position = 1.5f, .span = {1, 3}, .kind = cache::EntryKind::summary}};
  lane.add.keys = lane.add.values = {0, 0};
  cache.apply(plan);
  EXPECT_THAT(kept_sets(cache, 4).held, ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(held_sets(cache, 4).summarised.held, ElementsAre(0, 1, 1, 0));
}

TEST(Overlap, IsJaccardsIndex) {
  const Overlap all = overlap(example(), kText);
  // {0,1,2}-{0,1,5}: 2/4 within layer 0, {0,1,4}-{0,1,5}: 2/4 within layer 1; between layers 2/4,
  // 2/4, 2/4 and 1. Sizes are 3 of 6: p q / (p + q - p q) = 1/3.
  EXPECT_DOUBLE_EQ(all.within_layers, 0.5);
  EXPECT_DOUBLE_EQ(all.all, 3.5 / 6);
  EXPECT_DOUBLE_EQ(all.independent, 1.0 / 3);
}

TEST(Routes, EqualSetsAreOneRoute) {
  KeptSets kept(2, 2, 4);
  for (Index lane = 0; lane < 4; ++lane) kept.keep(lane, 1);
  const std::vector<Index> tokens = {0, 1, 2, 3};
  const Routes routes = effective_routes(kept, tokens);
  EXPECT_EQ(routes.lanes, 4);
  EXPECT_DOUBLE_EQ(routes.kept, 0.25);
  EXPECT_DOUBLE_EQ(routes.by_spread, 1);
  EXPECT_DOUBLE_EQ(routes.by_loss, 1);  // 3/4 are gone
  EXPECT_DOUBLE_EQ(routes.predicted, 0.75);
}

TEST(Routes, IndependentSetsAreAsManyAsTheyAre) {
  KeptSets kept(1, 2, 4);  // lane 0 keeps {0, 1}, lane 1 {0, 2}: a quarter has both, one, one, none
  kept.keep(0, 0), kept.keep(0, 1), kept.keep(1, 0), kept.keep(1, 2);
  const std::vector<Index> tokens = {0, 1, 2, 3};
  EXPECT_DOUBLE_EQ(effective_routes(kept, tokens).by_spread, 2);
  EXPECT_DOUBLE_EQ(effective_routes(kept, tokens).by_loss, 2);
}

TEST(Routes, TheExample) {
  const Routes routes = effective_routes(example(), kText);
  // counts 4 4 1 0 1 2: mean 2, variance 38/6 - 4 = 7/3; 16 * 1/2 * 1/2 / (7/3) = 12/7
  EXPECT_NEAR(routes.by_spread, 12.0 / 7, 1e-12);
  EXPECT_NEAR(routes.by_loss, 2.584963, 1e-6);  // log2(6)
}

}  // namespace
}  // namespace pith::probe
