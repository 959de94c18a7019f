#include "model/logits.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pith {
namespace {

const float kFifths[] = {0, std::log(3.0f), 0};  // 1/5, 3/5 and 1/5
const float kFar[] = {500, 500, -500};

TEST(Logits, TheLikeliestIsTheFirstOfEquals) {
  EXPECT_EQ(likeliest(kFifths), 1);
  EXPECT_EQ(likeliest(kFar), 0);
}

TEST(Logits, TotalsDoNotOverflow) {
  EXPECT_NEAR(log_total(kFifths), std::log(5.0), 1e-6);
  EXPECT_NEAR(log_total(kFar), 500 + std::log(2.0), 1e-9);
}

TEST(Logits, SurprisalIsInNats) {
  EXPECT_NEAR(surprisal(kFifths, 1), std::log(5.0 / 3), 1e-6);
  EXPECT_NEAR(surprisal(kFifths, 2), std::log(5.0), 1e-6);
  EXPECT_NEAR(surprisal(kFar, 2), 1000 + std::log(2.0), 1e-9);
}

}  // namespace
}  // namespace pith
