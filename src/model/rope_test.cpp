#include "model/rope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pith {
namespace {

using ::testing::ElementsAre;

TEST(RopePairs, NeighboursBecomeHalvesAndBack) {
  std::vector<float> head = {0, 10, 1, 11, 2, 12};
  to_halves(head.data(), 6);
  EXPECT_THAT(head, ElementsAre(0, 1, 2, 10, 11, 12));
  to_neighbours(head.data(), 6);
  EXPECT_THAT(head, ElementsAre(0, 10, 1, 11, 2, 12));
}

}  // namespace
}  // namespace pith
