#include "probe/summary_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace pith::probe {
namespace {

// 32 equal keys (1, 0), rotated by theta per position, and their mean.
double measured_shrinkage(double theta) {
  std::vector<float> keys, mean(2), query = {1, 0};
  for (int j = 0; j < 32; ++j) {
    keys.push_back(static_cast<float>(std::cos(theta * j)));
    keys.push_back(static_cast<float>(std::sin(theta * j)));
    mean[0] += keys[keys.size() - 2] / 32;
    mean[1] += keys.back() / 32;
  }
  return summary_loss(keys, mean, query, 1, 0).norm;
}

TEST(SummaryLoss, RotatedMeansShrinkByTheExactFactor) {  // sources.md §1.3
  for (const double theta : {1.0, 0.2, 0.1, 0.01, 0.003}) {
    const double exact = std::abs(std::sin(16 * theta) / (32 * std::sin(theta / 2)));
    EXPECT_NEAR(rotation_shrinkage(theta, 32), exact, 1e-12);
    EXPECT_NEAR(measured_shrinkage(theta), exact, 1e-6);
  }
  EXPECT_NEAR(rotation_shrinkage(1, 32), 0.019, 5e-4);
  EXPECT_NEAR(rotation_shrinkage(0.2, 32), 0.018, 5e-4);
  EXPECT_NEAR(rotation_shrinkage(0.1, 32), 0.625, 5e-4);
  EXPECT_NEAR(rotation_shrinkage(0.01, 32), 0.996, 5e-4);
  EXPECT_EQ(rotation_shrinkage(0, 32), 1);
}

TEST(SummaryLoss, ComparesLogits) {
  const float keys[] = {4, 0, 0, 2}, mean[] = {2, 1}, queries[] = {1, 0, 0, 1};
  const SummaryLoss loss = summary_loss(keys, mean, queries, 0.5f, 0.25f);
  EXPECT_NEAR(loss.norm, std::sqrt(5.0) / 3, 1e-6);
  EXPECT_NEAR(loss.logit, 0.75 + 0.25, 1e-6);  // (0.5 * 2 + 0.5 * 1) / 2
  EXPECT_NEAR(loss.best_logit, 1.5, 1e-6);     // (0.5 * 4 + 0.5 * 2) / 2
  EXPECT_NEAR(loss.log_sum, (std::log(std::exp(2.0) + 1) + std::log(std::exp(1.0) + 1)) / 2, 1e-6);
}

TEST(SummaryLoss, AveragesOverSummaries) {
  SummaryLoss all{.summaries = 1, .norm = 0.5, .logit = 2};
  all.add({.summaries = 3, .norm = 0.1, .logit = 6});
  EXPECT_EQ(all.summaries, 4);
  EXPECT_NEAR(all.norm, 0.2, 1e-12);
  EXPECT_NEAR(all.logit, 5, 1e-12);
}

}  // namespace
}  // namespace pith::probe
