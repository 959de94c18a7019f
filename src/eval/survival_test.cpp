#include "eval/survival.h"

#include <gtest/gtest.h>

#include "cache/cache.h"

namespace pith::eval {
namespace {

using Indices = std::vector<Index>;

// Two layers of two lanes, six source tokens: 0 everywhere, 1 in layer 0 only, 2 in one lane, 3 in
// a summary of lane 2 only, 4 nowhere, 5 everywhere.
cache::Cache thinned(std::vector<Index> windows = {}) {
  const cache::Shape shape{.layers = 2, .kv_heads = 2, .head_dim = 4, .windows = windows};
  cache::Cache cache(shape, cache::Rotation{{{1, 0.1}, {1, 0.1}}});
  const std::vector<float> rows(6 * 2 * 4, 1.0f);
  for (Index layer = 0; layer < 2; ++layer) cache.append(layer, rows, rows, 0, 0);
  cache::Plan plan;
  plan.lanes.resize(4);
  plan.lanes[0].keep = {0, 1, 2, 5};
  plan.lanes[1].keep = {0, 1, 5};
  plan.lanes[2].keep = {0, 5};
  plan.lanes[3].keep = {0, 5};
  plan.lanes[2].add.info = {
      {.position = 3, .log_weight = 0, .span = {3, 4}, .kind = cache::EntryKind::summary}};
  plan.lanes[2].add.keys = plan.lanes[2].add.values = {1, 1, 1, 1};
  cache.apply(plan);
  return cache;
}

TEST(Survival, CountsLanesThatHoldEachToken) {
  const auto cache = thinned();
  const HeldTokens held(cache, 6);
  const Survival survival = held.of(Indices{1, 2, 3, 4});
  EXPECT_EQ(survival.tokens, 4);
  EXPECT_EQ(survival.kept, 3.0 / 16);  // 1 in two lanes, 2 in one
  EXPECT_EQ(survival.summarised, 1.0 / 16);
  EXPECT_EQ(survival.evicted, 1.0 / 4);  // 4 alone: 3 lives on in a summary
  EXPECT_EQ(survival.in_summaries, 1);
  EXPECT_EQ(survival.layers, 0);
  EXPECT_EQ(survival.kept_by_layer, (std::vector<double>{3.0 / 8, 0}));
  EXPECT_EQ(survival.kept_by_token, (std::vector<double>{0.5, 0.25, 0, 0}));
}

TEST(Survival, CountsTheLayersThatHoldAllOfIt) {
  const auto cache = thinned();
  const HeldTokens held(cache, 6);
  EXPECT_EQ(held.of(Indices{0, 5}).layers, 2);
  EXPECT_EQ(held.of(Indices{0, 1}).layers, 1);
  EXPECT_EQ(held.of(Indices{0}).kept, 1);
  EXPECT_EQ(held.of({}).tokens, 0);
}

TEST(Survival, LeavesSlidingWindowsOut) {
  const auto cache = thinned({4, 0});  // layer 0 looks back four tokens
  const HeldTokens held(cache, 6);
  const Survival survival = held.of(Indices{1, 5});
  EXPECT_EQ(survival.kept, 0.5);     // of layer 1 alone: 5 in both lanes, 1 in none
  EXPECT_EQ(survival.evicted, 0.5);  // 1, although layer 0 does hold it, for now
  EXPECT_EQ(survival.in_summaries, 0);
}

TEST(SourceTokens, AreThoseThatASpanTouches) {
  const SourceTokens tokens({{10, 0, 3}, {11, 3, 5}, {12, 5, 9}, {13, 9, 10}}, 100);
  const auto touched = [&](std::vector<TextSpan> spans) { return tokens.overlapping(spans); };
  EXPECT_EQ(touched({{3, 5}}), (Indices{101}));
  EXPECT_EQ(touched({{4, 6}, {2, 4}}), (Indices{100, 101, 102}));
  EXPECT_EQ(touched({{20, 30}}), Indices{});
  EXPECT_EQ(tokens.bytes(102).begin, 5);
}

}  // namespace
}  // namespace pith::eval
