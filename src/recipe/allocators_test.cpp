// Allocators that follow calibrated budgets or protect tokens, on scores to follow by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recipe/planner.h"
#include "recipe/recipe_test_support.h"
#include "recipe/share.h"
#include "support/error_of.h"

namespace pith::recipe {
namespace {

using test::error_of;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using testing::scored;
using testing::World;

cache::Plan plan_of(const std::string& recipe, const World& world) {
  return Recipe::parse(recipe).plan(0, world.cache, world.signals);
}

TEST(Share, IsProportionalUpToCapacity) {
  const std::vector<double> weights = {1, 2, 5};
  EXPECT_THAT(share_by_weight(weights, std::vector<Index>{9, 9, 9}, 8), ElementsAre(1, 2, 5));
  EXPECT_THAT(share_by_weight(weights, std::vector<Index>{9, 9, 2}, 8), ElementsAre(2, 4, 2));
  EXPECT_THAT(share_by_weight(weights, std::vector<Index>{9, 9, 9}, 4), ElementsAre(1, 1, 2));
  EXPECT_THAT(share_by_weight(weights, std::vector<Index>{1, 1, 1}, 8), ElementsAre(1, 1, 1));
  EXPECT_THAT(share_by_weight(std::vector<double>{0, 1}, std::vector<Index>{3, 3}, 5),
              ElementsAre(2, 3));
}

TEST(Curves, LanesKeepWhatWasMeasured) {
  World world = scored({{1, 2, 3, 4, 5, 6, 7, 8}, {8, 7, 6, 5, 4, 3, 2, 1}});
  world.signals.budget_curves = {.kept = {0.25f, 0.5f}, .shares = {0.5f, 0, 0.75f, 0.25f}};
  const cache::Plan quarter = plan_of("kvzip(sinks=0) + curves @ 0.75", world);
  EXPECT_THAT(quarter.lanes[0].keep, ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(quarter.lanes[1].keep, IsEmpty());
  const cache::Plan half = plan_of("kvzip(sinks=0) + curves @ 0.5", world);
  EXPECT_EQ(half.lanes[0].keep.size(), 6u);
  EXPECT_THAT(half.lanes[1].keep, ElementsAre(0, 1));
  // Between 0.5 and 1: half way to everything.
  const cache::Plan between = plan_of("kvzip(sinks=0) + curves @ 0.25", world);
  EXPECT_EQ(between.lanes[0].keep.size(), 7u);
  EXPECT_EQ(between.lanes[1].keep.size(), 5u);
  // A floor of one makes all lanes equal only where the curve says less: 4 against 2.
  const cache::Plan floored = plan_of("kvzip(sinks=0) + curves(floor=1) @ 0.75", world);
  EXPECT_EQ(floored.lanes[0].keep.size() + floored.lanes[1].keep.size(), 4u);
  EXPECT_EQ(floored.lanes[1].keep.size(), 1u);
}

TEST(Curves, NeedACalibration) {
  const World world = scored({{1, 2, 3, 4}});
  EXPECT_NE(error_of([&] {
              plan_of("kvzip + curves @ 0.5", world);
            }).find("no budget curves of this model"),
            std::string::npos);
}

TEST(Csa, LanesKeepByDiffuseness) {
  World world = scored({{1, 2, 3, 4, 5, 6, 7, 8}, {8, 7, 6, 5, 4, 3, 2, 1}});
  world.signals.diffuseness = {30, 10};
  const cache::Plan plan = plan_of("kvzip(sinks=0) + csa @ 3tok", world);
  EXPECT_THAT(plan.lanes[0].keep, ElementsAre(4, 5, 6, 7));  // 1 + 3
  EXPECT_THAT(plan.lanes[1].keep, ElementsAre(0, 1));        // 1 + 1
}

TEST(RouteFloor, EveryContentTokenStaysSomewhere) {
  // Lane 0 has all the large scores; tokens 0 and 1 rank better in lane 1.
  World world = scored({{10, 11, 12, 13, 90, 91, 92, 93}, {4, 3, 1, 1, 1, 1, 1, 1}});
  world.signals.surprisal = {9, 8, 1, 1, 1, 1, 7, 6};
  const cache::Plan global = plan_of("kvzip(sinks=0) + global @ 3tok", world);
  EXPECT_THAT(global.lanes[0].keep, ElementsAre(2, 3, 4, 5, 6, 7));
  EXPECT_THAT(global.lanes[1].keep, IsEmpty());
  const cache::Plan plan = plan_of("kvzip(sinks=0) + route_floor(share=1) @ 3tok", world);
  EXPECT_THAT(plan.lanes[0].keep, ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(plan.lanes[1].keep, ElementsAre(0, 1));
}

TEST(RouteFloor, TakesAtMostItsShareOfTheRoom) {
  World world = scored({{10, 11, 12, 13, 90, 91, 92, 93}, {4, 3, 1, 1, 1, 1, 1, 1}});
  world.signals.surprisal = {9, 8, 1, 1, 1, 1, 7, 6};
  const cache::Plan plan = plan_of("kvzip(sinks=0) + route_floor(share=0.2) @ 3tok", world);
  EXPECT_THAT(plan.lanes[1].keep, ElementsAre(0));  // the least expected token only
}

TEST(RouteFloor, RoutesCanBeForcedIntoEarlyLayersOrApart) {
  World world = scored({{1, 9}, {1, 9}, {1, 9}, {2, 1}, {2, 1}, {2, 1}});
  const auto lanes_of_first = [&](const std::string& arguments) {
    const cache::Plan plan = plan_of(
        "kvzip(sinks=0) + route_floor(content=all, share=1" + arguments + ") @ 1tok", world);
    std::vector<Index> lanes;
    for (Index lane = 0; lane < 6; ++lane)
      if (!plan.lanes[lane].keep.empty() && plan.lanes[lane].keep[0] == 0) lanes.push_back(lane);
    return lanes;
  };
  EXPECT_THAT(lanes_of_first(", routes=2"), IsSupersetOf({3, 4}));
  EXPECT_THAT(lanes_of_first(", routes=2"), Not(Contains(0)));
  EXPECT_THAT(lanes_of_first(", routes=2, place=thirds"), IsSupersetOf({3, 4}));  // layers 2-3, 4-5
  EXPECT_THAT(lanes_of_first(", routes=2, place=early"), IsSupersetOf({0, 3}));
}

}  // namespace
}  // namespace pith::recipe
