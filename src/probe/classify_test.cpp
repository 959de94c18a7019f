#include "probe/classify.h"

#include <gtest/gtest.h>

namespace pith::probe {
namespace {

// Two lanes of six tokens; nobody keeps 2 and 3.
KeptSets kept() {
  KeptSets sets(1, 2, 6);
  sets.keep(0, 0), sets.keep(0, 1), sets.keep(1, 4), sets.keep(1, 5);
  return sets;
}

Outcome of(std::vector<std::vector<Index>> places, std::vector<std::uint8_t> reached) {
  return classify(kept(), {.places = places, .reached = reached});
}

TEST(Classify, WhatIsGoneIsErased) {
  EXPECT_EQ(of({{2, 3}}, {1, 1, 1, 1, 1, 1}), Outcome::erased);
  EXPECT_EQ(of({{2}, {3}}, {1, 1, 1, 1, 1, 1}), Outcome::erased);
}

TEST(Classify, APlaceWithGapsIsPartlyErased) {
  EXPECT_EQ(of({{1, 2}}, {1, 1, 1, 1, 1, 1}), Outcome::partly_erased);
  EXPECT_EQ(of({{2, 3}, {3, 4}}, {1, 1, 1, 1, 1, 1}), Outcome::partly_erased);
}

TEST(Classify, WhatIsKeptMayBeOutOfReach) {
  EXPECT_EQ(of({{4, 5}}, {1, 1, 1, 1, 0, 0}), Outcome::unreachable);
  EXPECT_EQ(of({{4, 5}}, {0, 0, 0, 0, 0, 1}), Outcome::unused);
}

TEST(Classify, WithoutAGraphWhatIsKeptIsOnlyKept) {
  EXPECT_EQ(of({{4, 5}}, {}), Outcome::kept);
  EXPECT_EQ(of({{2, 3}}, {}), Outcome::erased);
}

TEST(Classify, OneWholePlaceIsEnough) {
  EXPECT_EQ(of({{2, 3}, {4, 5}}, {0, 0, 0, 0, 1, 0}), Outcome::unused);
}

TEST(Classify, WhatCompressionDidNotBreak) {
  const std::vector<std::vector<Index>> places = {{2, 3}};
  EXPECT_EQ(classify(kept(), {.right = true, .places = places}), Outcome::right);
  EXPECT_EQ(classify(kept(), {.right_uncompressed = false, .places = places}),
            Outcome::wrong_uncompressed);
  EXPECT_EQ(classify(kept(), {}), Outcome::not_in_text);
}

}  // namespace
}  // namespace pith::probe
