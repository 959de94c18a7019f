#include "engine/learned/training.h"

#include <gtest/gtest.h>

#include <limits>

namespace pith {
namespace {

TEST(Adam, FirstStepIsTheLearningRate) {
  Adam adam(2);
  std::vector<float> x = {1, 1};
  adam.step(std::vector<float>{4, -0.1f}, 0.5, x);
  EXPECT_NEAR(x[0], 0.5f, 1e-6f);
  EXPECT_NEAR(x[1], 1.5f, 1e-6f);
}

TEST(Training, FailsAboveItsFirstLossOrAtNoNumber) {
  EXPECT_FALSE((TrainingReport{.first_loss = 2, .last_loss = 2}.failed()));
  EXPECT_TRUE((TrainingReport{.first_loss = 2, .last_loss = 3}.failed()));
  EXPECT_TRUE((TrainingReport{.first_loss = 2, .last_loss = 1, .diverged = true}.failed()));
}

TEST(Training, ACheckpointIsToldNowAndThenAndAtTheEndButNotItsBeginning) {
  std::vector<Index> told;
  Checkpoint checkpoint{.state = {},
                        .keep = [&](const TrainingState& state) { told.push_back(state.step); }};
  const auto tell = [&](double seconds) {
    told.clear();
    checkpoint.seconds = seconds;
    CheckpointClock clock(checkpoint, 2);
    for (Index step = 2; step <= 4; ++step) clock.tell({.step = step}, step == 4);
    return told;
  };
  EXPECT_EQ(tell(-1), (std::vector<Index>{3, 4}));
  EXPECT_EQ(tell(std::numeric_limits<double>::infinity()), (std::vector<Index>{4}));
}

}  // namespace
}  // namespace pith
