#include "probe/linear_probe.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace pith::probe {
namespace {

TEST(LinearProbe, MacroF1OfThreeClasses) {
  const Index labels[] = {0, 0, 1, 1, 2}, predicted[] = {0, 1, 1, 1, 0};
  // F1: class 0 2*1/(2+2) = 1/2, class 1 2*2/(2+3) = 4/5, class 2 0; a fourth class never occurs
  EXPECT_NEAR(macro_f1(labels, predicted, 4), (0.5 + 0.8 + 0) / 3, 1e-12);
  EXPECT_EQ(macro_f1({}, {}, 4), 0);
}

TEST(LinearProbe, SeparatesHalfwayBetweenTwoPoints) {
  const Samples samples{
      .features = 1, .x = {1, 3}, .labels = {0, 1}, .groups = {0, 1}, .classes = 2};
  const Index rows[] = {0, 1};
  const LinearProbe probe = LinearProbe::train(samples, rows, 0.1);
  const float left[] = {1.99f}, right[] = {2.01f};
  EXPECT_EQ(probe.predict(left), 0);
  EXPECT_EQ(probe.predict(right), 1);
}

// Three classes on a circle of features, among noise.
Samples circle(double noise) {
  Rng rng(7);
  Samples samples{.features = 5, .classes = 3};
  for (Index i = 0; i < 90; ++i) {
    const Index label = i % 3;
    samples.labels.push_back(label);
    samples.groups.push_back(i / 6);
    samples.x.push_back(static_cast<float>(std::cos(2.1 * label) + noise * rng.normal()));
    samples.x.push_back(static_cast<float>(std::sin(2.1 * label) + noise * rng.normal()));
    for (int f = 0; f < 3; ++f) samples.x.push_back(static_cast<float>(rng.normal()));
  }
  return samples;
}

TEST(LinearProbe, ReadsWhatIsThere) {
  EXPECT_GT(probe_score(circle(0.1)).macro_f1, 0.95);
  EXPECT_LT(probe_score(circle(30)).macro_f1, 0.6);
}

TEST(LinearProbe, IsTheSameEveryTime) {
  EXPECT_EQ(probe_score(circle(0.5)).macro_f1, probe_score(circle(0.5)).macro_f1);
}

TEST(LinearProbe, NeedsTwoOfEach) {
  Samples samples = circle(0.1);
  samples.groups.assign(samples.groups.size(), 0);
  EXPECT_THROW(probe_score(samples), Error);
  samples = circle(0.1);
  samples.labels.assign(samples.labels.size(), 1);
  EXPECT_THROW(probe_score(samples), Error);
}

}  // namespace
}  // namespace pith::probe
