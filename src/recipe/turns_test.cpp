// Parts that know the turns of a conversation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recipe/recipe_test_support.h"
#include "support/error_of.h"

namespace pith::recipe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Turns begin at 10, 40, 50 and 90 of 100 tokens.
testing::World conversation() {
  testing::World world = testing::make_world({.tokens = 100});
  world.signals.turn_starts = {10, 40, 50, 90};
  for (auto& layer : world.signals.layers) layer.tail_attention.assign(4 * 100, 0.0f);
  return world;
}

std::vector<std::int32_t> kept(const testing::World& world, std::string_view recipe) {
  return Recipe::parse(recipe).plan(0, world.cache, world.signals).lanes[0].keep;
}

TEST(Turns, PinsKeepTheNewest) {
  const auto world = conversation();
  EXPECT_THAT(kept(world, "random + pins(sinks=0, turns=1) + positions @ 12tok"),
              ::testing::IsSupersetOf({90, 91, 92, 93, 94, 95, 96, 97, 98, 99}));
  EXPECT_THAT(kept(world, "recency + pins(sinks=0, turns=1) + positions @ 11tok"),
              ElementsAre(89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99));
}

TEST(Turns, TruncationKeepsThePrefixAndTheNewest) {
  EXPECT_THAT(kept(conversation(), "prefix_only(turns=1)"),
              ElementsAre(0, 1, 2, 3, 4, 5, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99));
}

TEST(Turns, EveryTurnHasItsQuota) {
  EXPECT_THAT(kept(conversation(), "recency + turn_quota(entries=2) + positions @ 10tok"),
              ElementsAre(38, 39, 48, 49, 88, 89, 96, 97, 98, 99));
}

TEST(Turns, ATextWithoutTurnsIsRefusedByName) {
  const auto world = testing::make_world({.tokens = 100});
  EXPECT_THAT(test::error_of([&] { kept(world, "recency + turn_quota + positions @ 10tok"); }),
              HasSubstr("no turns"));
}

TEST(Turns, RawAttentionIsAnOracleAndSumsOverSpans) {
  auto world = conversation();
  for (auto& layer : world.signals.layers)
    for (Index h = 0; h < 4; ++h) layer.tail_attention[static_cast<std::size_t>(h * 100 + 7)] = 1;
  EXPECT_TRUE(Recipe::parse("raw_attention + positions @ 1tok").is_oracle());
  EXPECT_THAT(kept(world, "raw_attention + positions @ 1tok"), ElementsAre(7));
}

}  // namespace
}  // namespace pith::recipe
