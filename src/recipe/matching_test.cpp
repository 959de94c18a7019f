#include "recipe/matching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "recipe/recipe_test_support.h"
#include "recipe/references.h"
#include "recipe/row_kernels.h"

namespace pith::recipe {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::Pointwise;

TEST(Matching, MultiplicitiesRestoreTheMass) {
  // One kept entry holds half of the mass in both rows: it must count twice.
  const std::vector<float> a = {0.5f, 0.5f};
  EXPECT_THAT(fit_multiplicities(a, 1, {.ridge = 0}), ElementsAre(FloatNear(2, 1e-4f)));
}

TEST(Matching, MultiplicitiesStayWithinBounds) {
  const std::vector<float> a = {0.01f, 0.01f};
  EXPECT_THAT(fit_multiplicities(a, 1, {.most = 3, .ridge = 0}), ElementsAre(3.0f));
}

TEST(Matching, MultiplicitiesOfNothingKeptOrNoMass) {
  EXPECT_TRUE(fit_multiplicities({}, 0, {}).empty());
  const std::vector<float> none = {0, 0};
  EXPECT_THAT(fit_multiplicities(none, 1, {}), ElementsAre(1.0f));
}

TEST(Matching, RowsAreNormalised) {
  const std::vector<float> a = {0.2f, 0.2f, 0.1f, 0.3f}, b = {1, 3};
  EXPECT_THAT(renormalised(a, b), ElementsAre(FloatNear(0.25f, 1e-6f), FloatNear(0.75f, 1e-6f),
                                              FloatNear(0.1f, 1e-6f), FloatNear(0.9f, 1e-6f)));
}

TEST(Matching, ValuesSolveTheLeastSquares) {
  // x = I: the outputs are the values.
  const std::vector<float> x = {1, 0, 0, 1}, y = {3, 5}, v = {2, 4};
  EXPECT_THAT(fit_values(x, 2, y, v, 1, 0), ElementsAre(FloatNear(3, 1e-4f), FloatNear(5, 1e-4f)));
}

TEST(Matching, AHeavyRidgeKeepsTheValues) {
  const std::vector<float> x = {1, 0, 0, 1}, y = {3, 5}, v = {2, 4};
  const auto fitted = fit_values(x, 2, y, v, 1, 1);  // lambda 1: half way
  EXPECT_THAT(fitted, ElementsAre(FloatNear(2.5f, 1e-4f), FloatNear(4.5f, 1e-4f)));
}

TEST(Matching, FewerRowsThanEntriesMoveTheValuesLeast) {
  // One equation, two unknowns with equal weight: both move by the same.
  const std::vector<float> x = {0.5f, 0.5f}, y = {2}, v = {1, 1};
  EXPECT_THAT(fit_values(x, 2, y, v, 1, 0), ElementsAre(FloatNear(2, 1e-3f), FloatNear(2, 1e-3f)));
}

TEST(Matching, ValuesStayFiniteWhereColumnsRepeatOrVanish) {
  const std::vector<float> x = {0.5f, 0.5f, 0, 0.5f, 0.5f, 0}, y = {1e6f, -1e6f}, v = {1, 1, 1};
  for (float c : fit_values(x, 3, y, v, 1, 0)) {
    EXPECT_TRUE(std::isfinite(c));
    EXPECT_LE(std::abs(c), 8.0f);
  }
}

TEST(Matching, PursuitTakesWhatExplainsTheMass) {
  // Entries 1 and 3 hold all the mass, each for one row; entry 0 is fixed.
  const std::vector<float> p = {0, 0.9f, 0.1f, 0, 0, 0, 0.1f, 0.9f};
  const std::vector<std::int32_t> fixed = {0};
  EXPECT_THAT(pursue(p, 4, 3, fixed, {}), ElementsAre(0, 1, 3));
}

TEST(Matching, ChangedKeysChangeWhatTheyGet) {
  // The query sees the second key's first component grow by log 2: its weight doubles.
  const std::vector<float> rows = {1, 0}, before = {0, 0, 1, 1},
                           after = {0, 5, 1 + std::log(2.0f), 1};
  std::vector<float> a = {0.25f, 0.25f};
  change_keys(rows, 2, before, after, a);
  EXPECT_THAT(a, ElementsAre(FloatNear(0.25f, 1e-6f), FloatNear(0.5f, 1e-6f)));
}

TEST(Matching, RowsAreWeighedByRoots) {
  std::vector<float> matrix = {1, 2, 3, 4};
  weigh_rows(std::vector<float>{4, 9}, matrix);
  EXPECT_THAT(matrix, ElementsAre(2, 4, 9, 12));
}

TEST(Matching, AHeavyRowDecidesTheMultiplicity) {
  // Alone, the rows want 2 and 4; with weights 1 and 0 the first one has it.
  std::vector<float> a = {0.5f, 0.25f}, mass = {1, 1};
  const std::vector<float> weights = {1, 0};
  weigh_rows(weights, a);
  weigh_rows(weights, mass);
  EXPECT_THAT(fit_multiplicities(a, 1, {.ridge = 0, .mass = mass}),
              ElementsAre(FloatNear(2, 1e-4f)));
}

// Keeping few of many entries: fitted values must come closer to the outputs than the originals.
TEST(Matching, FittedOutputsAreCloserThanPlainEviction) {
  testing::WorldOptions options;
  options.tokens = 64;
  const testing::World world = testing::make_world(options);
  const Scene scene(world.cache, world.signals, nullptr);
  Rng rng(7);
  const std::vector<float> queries = testing::normal(options.query_heads * 40 * 8, rng);
  const auto p = reference_weights(scene, 0, {queries, 40});
  const auto y = product(p, std::ssize(p) / 64, scene.values(0), 8);
  std::vector<std::int32_t> keep;
  std::vector<float> kept_values;
  for (std::int32_t j = 0; j < 64; j += 4) {
    keep.push_back(j);
    const auto values = scene.values(0);
    kept_values.insert(kept_values.end(), values.begin() + j * 8, values.begin() + j * 8 + 8);
  }
  const auto a = columns_of(p, 64, keep);
  const auto error = [&](std::span<const float> b, std::span<const float> values) {
    const auto out = product(renormalised(a, b), std::ssize(a) / std::ssize(b), values, 8);
    double sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i)
      sum += (double{out[i]} - y[i]) * (double{out[i]} - y[i]);
    return sum;
  };
  const std::vector<float> ones(keep.size(), 1.0f);
  const auto fitted = fit_values(renormalised(a, ones), std::ssize(keep), y, kept_values, 8, 1e-4f);
  EXPECT_LT(error(ones, fitted), 0.7 * error(ones, kept_values));
}

}  // namespace
}  // namespace pith::recipe
