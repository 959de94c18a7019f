// Conformal risk control on vectors that are worked out by hand.

#include "engine/guard/conformal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

namespace pith {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Conformal, NothingBehindAFailedRungCounts) {
  const std::vector<double> signals = {0.1, 0.3, 0.2, 0.4};
  EXPECT_EQ(rungs_passed(signals, 0.05), 0);
  EXPECT_EQ(rungs_passed(signals, 0.1), 1);
  EXPECT_EQ(rungs_passed(signals, 0.2), 1);  // the third rung lies behind one that fails
  EXPECT_EQ(rungs_passed(signals, 0.3), 3);
  EXPECT_EQ(rungs_passed(signals, kInfinity), 4);
  EXPECT_EQ(rungs_passed(std::vector<double>{std::nan("")}, kInfinity), 0);
}

TEST(Conformal, LargerThresholdsNeverAllowLess) {
  const std::vector<double> signals = {0.2, 0.1, 0.4, 0.3, kInfinity};
  Index last = 0;
  for (double threshold = 0; threshold < 0.5; threshold += 0.01) {
    const Index passed = rungs_passed(signals, threshold);
    EXPECT_GE(passed, last);
    last = passed;
  }
  EXPECT_EQ(last, 4);
}

// Four documents on two rungs. 4/5 risk + 1/5 at the signals:
//   .1: losses 0 0 0 0 -> .2     .2: 0 0 0 .5 -> .3     .3: 0 0 .5 .5 -> .4
//   .4: 0 0 .5 1 -> .5           .6: 0 1 .5 1 -> .7     .7: 1 1 .5 1 -> .9
const std::vector<GuardRecord> kFour = {{{0.1, 0.7}, {0, 1}},
                                        {{0.1, 0.6}, {0, 1}},
                                        {{0.3, kInfinity}, {0.5, 0.5}},
                                        {{0.2, 0.4}, {0.5, 1}}};

TEST(Conformal, RisksAreThoseWorkedOutByHand) {
  EXPECT_DOUBLE_EQ(risk_at(kFour, 0.1), 0);
  EXPECT_DOUBLE_EQ(risk_at(kFour, 0.3), 0.25);
  EXPECT_DOUBLE_EQ(risk_at(kFour, 0.65), 0.625);
  EXPECT_DOUBLE_EQ(risk_at(kFour, kInfinity), 0.875);
}

TEST(Conformal, TheLargestSafeSignalIsTheThreshold) {
  EXPECT_DOUBLE_EQ(conformal_threshold(kFour, 0.2), 0.1);
  EXPECT_DOUBLE_EQ(conformal_threshold(kFour, 0.39), 0.2);
  EXPECT_DOUBLE_EQ(conformal_threshold(kFour, 0.4), 0.3);
  EXPECT_DOUBLE_EQ(conformal_threshold(kFour, 0.5), 0.4);
}

TEST(Conformal, WhereEvenTheFirstRungIsTooRiskyNothingIsCompressed) {
  const std::vector<GuardRecord> all_lost(4, {{0.1}, {1}});
  EXPECT_EQ(conformal_threshold(all_lost, 0.5), -kInfinity);
  EXPECT_EQ(rungs_passed(all_lost[0].signals, -kInfinity), 0);
}

TEST(Conformal, ARiskNeedsEnoughDocuments) {
  EXPECT_EQ(records_needed(0.05), 19);
  EXPECT_EQ(records_needed(0.1), 9);
  EXPECT_EQ(records_needed(0.5), 1);
  EXPECT_EQ(records_needed(0.03), 33);
  try {
    conformal_threshold(kFour, 0.1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_budget);
    EXPECT_STREQ(error.what(),
                 "a risk of 0.1 takes a calibration on at least 9 documents, this one has 4; "
                 "calibrate on more, or ask for a risk of 0.200 or more");
  }
}

}  // namespace
}  // namespace pith
