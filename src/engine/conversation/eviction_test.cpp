// What goes and what comes back of small caches, and where turns begin.
#include "engine/conversation/eviction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/conversation/turn_frame.h"

namespace pith {
namespace {

using ::testing::ElementsAre;

TEST(TurnFrame, TurnsBeginBehindThePrefixAndWhereTheTemplateParts) {
  EXPECT_THAT(
      find_turns(std::vector<Token>{1, 2, 3, 8, 9, 4, 8, 9, 5}, 1, std::vector<Token>{8, 9}),
      ElementsAre(1, 3, 6));
}

TEST(Recall, TakesTheChunksThatGotTheMostAttention) {
  cache::Cache cold({.layers = 1, .kv_heads = 1, .head_dim = 4}, {});
  const std::vector<float> rows(2 * 4, 1.0f);
  for (const Index token : {30, 62, 94}) cold.append(0, rows, rows, token, token);
  const std::vector<std::vector<float>> attention = {{0.1f, 0.2f, 0.0f, 0.5f, 0.2f, 0.0f}};
  const auto back = [&](Index most) { return plan_recall(cold, attention, most).evict.lanes[0]; };
  EXPECT_THAT(back(2).keep, ElementsAre(2, 3));  // tokens 62, 63: of one chunk
  EXPECT_THAT(back(5).keep, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(plan_recall(cold, attention, 2).keep.lanes[0].keep, ElementsAre(0, 1, 4, 5));
  EXPECT_THAT(back(1).keep, ElementsAre());
}

TEST(Evict, TheLeastAttentionGoesFirst) {
  cache::Cache cache({.layers = 1, .kv_heads = 1, .head_dim = 4}, {});
  const std::vector<float> rows(8 * 4, 1.0f);
  cache.append(0, rows, rows, 0, 0);
  const std::vector<std::vector<float>> attention = {{0, 0, 3, 1, 2, 9, 8, 7}};
  const EvictionLimits limits{.prefix_tokens = 2, .turn_starts = {2, 5}, .fewest_of_turn = 2};
  const Eviction eviction = plan_eviction(cache, eviction_order(cache, attention, limits), 1000);
  EXPECT_THAT(eviction.keep.lanes[0].keep, ElementsAre(0, 1, 2, 4, 5, 6));
  EXPECT_THAT(eviction.evict.lanes[0].keep, ElementsAre(3, 7));
}

TEST(Evict, WhatAWindowLeftBehindIsSeenByNone) {
  cache::Cache cache({.layers = 2, .kv_heads = 1, .head_dim = 4, .windows = {3, 0}}, {});
  const std::vector<float> rows(8 * 4, 1.0f);
  cache.append(0, rows, rows, 0, 0);
  cache.append(1, rows, rows, 0, 0);
  EXPECT_THAT(plan_windows(cache, 8).keep.lanes[0].keep, ElementsAre(5, 6, 7));
  EXPECT_EQ(plan_windows(cache, 8).entries, 5);  // of the first lane alone
  EXPECT_EQ(plan_windows(cache, 3).entries, 0);
}

}  // namespace
}  // namespace pith
