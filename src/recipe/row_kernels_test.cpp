#include "recipe/row_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "recipe/recipe_test_support.h"

namespace pith::recipe {
namespace {

using testing::normal;

std::vector<Isa> levels() {
  std::vector<Isa> out;
  for (Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512})
    if (supported(isa)) out.push_back(isa);
  return out;
}

TEST(RowKernels, ProductsOfAllShapesOnAllInstructionSets) {
  Rng rng(3);
  for (const Isa isa : levels())
    for (const Index rows : {1, 2, 7, 8, 17})
      for (const Index n : {1, 15, 16, 33})
        for (const Index depth : {2, 3, 64, 1030}) {
          const auto a = normal(rows * depth, rng), b = normal(n * depth, rng);
          const Panels panels(b, n, depth);
          const Index stride = panels.count * kPanel;
          std::vector<float> c(static_cast<std::size_t>(rows * stride));
          row_kernels(isa).multiply(a.data(), rows, panels.data.data(), panels.count, depth,
                                    c.data(), stride);
          for (Index i = 0; i < rows; ++i)
            for (Index j = 0; j < n; ++j) {
              double sum = 0;
              for (Index k = 0; k < depth; ++k) sum += double{a[i * depth + k]} * b[j * depth + k];
              ASSERT_NEAR(c[i * stride + j], sum, 2e-5 * std::max<double>(1, depth / 64.0))
                  << to_string(isa);
            }
        }
}

TEST(RowKernels, AGramIsTheWholeProduct) {
  Rng rng(5);
  for (const Index rows : {1, 17, 150})
    for (const Index depth : {3, 700}) {
      const auto a = normal(rows * depth, rng);
      EXPECT_EQ(gram(a, rows, depth), times_transposed(a, rows, a, rows, depth));
    }
}

TEST(RowKernels, SoftmaxOfAllLengthsOnAllInstructionSets) {
  Rng rng(4);
  for (const Isa isa : levels())
    for (const Index n : {1, 5, 16, 40, 129}) {
      std::vector<float> row = normal(n, rng), sum(row.size(), 0.5f);
      for (float& x : row) x *= 20;
      if (n > 5) row[3] = -std::numeric_limits<float>::infinity();
      double total = 0, high = -1e30;
      for (float x : row) high = std::max<double>(high, x);
      for (float x : row) total += std::exp(x - high);
      std::vector<double> expected;
      for (float x : row) expected.push_back(std::exp(x - high) / total);
      row_kernels(isa).softmax_add(row.data(), n, sum.data());
      for (Index j = 0; j < n; ++j) {
        ASSERT_NEAR(row[j], expected[j], 1e-6 * expected[j] + 1e-12) << to_string(isa);
        ASSERT_NEAR(sum[j], 0.5 + expected[j], 1e-6);
      }
      if (n > 5) {
        EXPECT_EQ(row[3], 0);
      }
    }
}

TEST(RowKernels, NothingVisibleGivesNothing) {
  std::vector<float> row(20, -std::numeric_limits<float>::infinity()), sum(20);
  for (const Isa isa : levels()) {
    std::vector<float> copy = row;
    row_kernels(isa).softmax_add(copy.data(), 20, sum.data());
    EXPECT_EQ(sum, std::vector<float>(20)) << to_string(isa);
  }
}

}  // namespace
}  // namespace pith::recipe
