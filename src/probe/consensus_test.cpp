#include "probe/consensus.h"

#include <gtest/gtest.h>

namespace pith::probe {
namespace {

TEST(Consensus, FourHeads) {  // sources.md §8
  const Index most[] = {7, 7, 7, 2}, same[] = {5, 5, 5, 5}, different[] = {1, 2, 3, 4};
  EXPECT_DOUBLE_EQ(consensus(most).head_diversity, 0.5);
  EXPECT_DOUBLE_EQ(consensus(most).agreement, 0.75);
  EXPECT_DOUBLE_EQ(consensus(same).head_diversity, 0.25);
  EXPECT_DOUBLE_EQ(consensus(same).agreement, 1);
  EXPECT_DOUBLE_EQ(consensus(different).head_diversity, 1);
  EXPECT_DOUBLE_EQ(consensus(different).agreement, 0.25);
}

TEST(Consensus, TheTopTokenWithAndWithoutSinks) {
  const float weights[] = {0.6f, 0.1f, 0.2f, 0.1f};
  const Index tokens[] = {0, 3, 9, 12}, summarised[] = {-1, -1, 9, 12};
  EXPECT_EQ(top_token(weights, tokens, 0), 0);
  EXPECT_EQ(top_token(weights, tokens, kSinks), 9);
  EXPECT_EQ(top_token(weights, summarised, 0), 9);
  EXPECT_EQ(top_token({}, {}, 0), -1);
}

}  // namespace
}  // namespace pith::probe
