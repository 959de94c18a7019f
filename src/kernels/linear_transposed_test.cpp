#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "kernels/linear_test_support.h"

namespace pith {
namespace {

std::vector<Isa> isas() {
  std::vector<Isa> here;
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512})
    if (supported(isa)) here.push_back(isa);
  return here;
}

struct Case {
  WeightType type;
  Index tokens, rows, cols;
};

std::string name_of(const ::testing::TestParamInfo<Case>& one) {
  return fmt::format("{}_{}x{}x{}", info(one.param.type).name, one.param.tokens, one.param.rows,
                     one.param.cols);
}

class MultiplyTransposed : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const auto [type, tokens, rows, cols] = GetParam();
    weights_.emplace(type, rows, cols, 1);
    y_ = normal(tokens * rows, 2);
  }

  std::vector<float> product(Isa isa, Numerics numerics, int threads = 1) const {
    ThreadPool pool(threads);
    std::vector<float> x(static_cast<std::size_t>(GetParam().tokens * GetParam().cols), 77);
    multiply_transposed(y_, GetParam().tokens, weights_->matrix, numerics, x, pool, isa);
    return x;
  }

  // The largest error of a sum, relative to the sum of its terms' magnitudes.
  double error_of(const std::vector<float>& x) const {
    const auto [type, tokens, rows, cols] = GetParam();
    double most = 0;
    for (Index t = 0; t < tokens; ++t)
      for (Index k = 0; k < cols; ++k) {
        double sum = 0, magnitude = 0;
        for (Index n = 0; n < rows; ++n) {
          const double term = double{y_[static_cast<std::size_t>(t * rows + n)]} *
                              double{weights_->values[static_cast<std::size_t>(n * cols + k)]};
          sum += term;
          magnitude += std::fabs(term);
        }
        const double off = double{x[static_cast<std::size_t>(t * cols + k)]} - sum;
        most = std::max(most, std::fabs(off) / magnitude);
      }
    return most;
  }

  std::optional<Weights> weights_;
  std::vector<float> y_;
};

TEST_P(MultiplyTransposed, ExactOnEveryInstructionSet) {
  for (const Isa isa : isas())
    EXPECT_LT(error_of(product(isa, Numerics::exact)), 2e-5) << to_string(isa);
}

// Rounding to 8 bits errs by at most 2^-8, and both factors are rounded.
TEST_P(MultiplyTransposed, FastRoundsToBf16AtMost) {
  for (const Isa isa : isas())
    EXPECT_LT(error_of(product(isa, Numerics::fast)), std::ldexp(1.01, -7)) << to_string(isa);
}

TEST_P(MultiplyTransposed, ThreadsDoNotMatter) {
  for (const Numerics numerics : {Numerics::exact, Numerics::fast})
    EXPECT_EQ(product(active_isa(), numerics, 1), product(active_isa(), numerics, 3));
}

TEST_P(MultiplyTransposed, AddsOntoWhatIsThere) {
  for (const Isa isa : isas()) {
    const auto alone = product(isa, Numerics::fast);
    std::vector<float> x(alone.size(), 1);
    ThreadPool pool(1);
    multiply_transposed(y_, GetParam().tokens, weights_->matrix, Numerics::fast, x, pool, isa,
                        true);
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], alone[i] + 1, 1e-4);
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const WeightType type : kWeightTypes) {
    const Index block = info(type).block;
    all.push_back({type, 1, 3, block});
    all.push_back({type, 13, 300, 2 * block});
    all.push_back({type, 25, 257, block == 256 ? 512 : 96});
  }
  all.push_back({WeightType::f32, 2, 5, 3});
  all.push_back({WeightType::bf16, 7, 40, 75});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Shapes, MultiplyTransposed, ::testing::ValuesIn(cases()), name_of);

}  // namespace
}  // namespace pith
