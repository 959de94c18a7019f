#include "probe/curve.h"

#include <gmock/gmock.h>

#include <cmath>

namespace pith::probe {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;

TEST(Curve, SusceptibilityIsTheSlopeBetweenNeighbours) {
  const double ratios[] = {0, 0.5, 0.75, 1}, rates[] = {0.125, 0.125, 0.25, 1};
  const Susceptibility chi = susceptibility(ratios, rates);
  EXPECT_THAT(chi.at, ElementsAre(DoubleEq(0.25), DoubleEq(0.625), DoubleEq(0.875)));
  EXPECT_THAT(chi.chi, ElementsAre(DoubleEq(0), DoubleEq(0.5), DoubleEq(3)));
  EXPECT_DOUBLE_EQ(chi.peak_at, 0.875);
  EXPECT_DOUBLE_EQ(chi.peak, 3);
}

TEST(Curve, TheCliffBeginsAndIsHalfDown) {
  const double ratios[] = {0, 0.5, 0.75, 0.9}, rates[] = {0, 0, 0.25, 0.75};
  EXPECT_DOUBLE_EQ(cliff(ratios, rates).begins, 0.5);
  EXPECT_DOUBLE_EQ(cliff(ratios, rates).half, 0.825);
}

TEST(Curve, ACurveMayHaveNoCliff) {
  const double ratios[] = {0, 0.5}, none[] = {0, 0}, high[] = {0.6, 0.7};
  EXPECT_TRUE(std::isnan(cliff(ratios, none).begins));
  EXPECT_TRUE(std::isnan(cliff(ratios, none).half));
  EXPECT_TRUE(std::isnan(cliff(ratios, high).begins));
  EXPECT_DOUBLE_EQ(cliff(ratios, high).half, 0);
  EXPECT_TRUE(cliff(ratios, high).from_start && cliff(ratios, high).half_from_start);
  EXPECT_FALSE(cliff(ratios, none).from_start || cliff(ratios, none).half_from_start);
  EXPECT_TRUE(susceptibility({}, {}).at.empty());
}

}  // namespace
}  // namespace pith::probe
