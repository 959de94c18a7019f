#include "probe/fidelity.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pith::probe {
namespace {

const float kHalf[] = {0, 0};
const float kQuarters[] = {std::log(3.0f), 0};  // 3/4 and 1/4

TEST(Fidelity, KlOfTwoCoins) {
  EXPECT_NEAR(kl_divergence(kHalf, kQuarters), 0.143841, 1e-6);  // ln(2 / sqrt 3)
  EXPECT_NEAR(kl_divergence(kQuarters, kHalf), 0.130812, 1e-6);
  EXPECT_EQ(kl_divergence(kHalf, kHalf), 0);
}

TEST(Fidelity, KlDoesNotMindAnOffset) {
  const float shifted[] = {500, 500};
  EXPECT_NEAR(kl_divergence(shifted, kQuarters), 0.143841, 1e-6);
}

TEST(Fidelity, AveragesOverRows) {
  Fidelity all, more;
  all.add(kHalf, kQuarters, 0);
  more.add(kHalf, kHalf, 0);
  const float other_way[] = {0, 1};
  more.add(kHalf, other_way, 0);
  all.add(more);
  EXPECT_EQ(all.rows, 3);
  EXPECT_NEAR(all.kl, (0.143841 + kl_divergence(kHalf, other_way)) / 3, 1e-6);
  EXPECT_NEAR(all.top1, 2.0 / 3, 1e-12);
  EXPECT_NEAR(all.surprisal_full, std::log(2.0), 1e-6);
}

}  // namespace
}  // namespace pith::probe
