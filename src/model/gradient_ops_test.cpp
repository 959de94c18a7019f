#include "model/gradient_ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "base/rng.h"
#include "kernels/vector.h"

namespace pith {
namespace {

std::vector<float> normal(Index n, Rng& rng) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& value : x) value = static_cast<float>(rng.normal());
  return x;
}

// d loss / d x[i] by central differences.
double slope(std::vector<float> x, std::size_t i,
             const std::function<double(const std::vector<float>&)>& loss) {
  constexpr float kStep = 1e-2f;
  const float middle = x[i];
  x[i] = middle + kStep;
  const double high = loss(x);
  x[i] = middle - kStep;
  return (high - loss(x)) / (2 * double{kStep});
}

TEST(GradientOps, RmsNormAgreesWithDifferences) {
  Rng rng(1);
  const auto x = normal(8, rng), weight = normal(8, rng), dy = normal(8, rng);
  std::vector<float> dx(8);
  rms_norm_backward(x.data(), weight.data(), dy.data(), 1e-5f, 8, dx.data());
  const auto loss = [&](const std::vector<float>& at) {
    std::vector<float> y(8);
    vector_kernels(Isa::scalar).rms_norm(at.data(), weight.data(), 1e-5f, 8, y.data());
    double sum = 0;
    for (std::size_t i = 0; i < 8; ++i) sum += double{y[i]} * dy[i];
    return sum;
  };
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(dx[i], slope(x, i, loss), 2e-4);
}

TEST(GradientOps, RmsNormAddsToWhatIsThere) {
  const float x[] = {1}, dy[] = {0};
  float dx[] = {5};
  rms_norm_backward(x, nullptr, dy, 0, 1, dx);
  EXPECT_EQ(dx[0], 5);
}

TEST(GradientOps, SlopesAtZeroAndFarOut) {
  const float gate[] = {0, 20, -10, 200, -200}, one[] = {1, 1, 1, 1, 1};
  float silu[5], gelu[5], dup[5];
  gated_backward(Activation::silu, gate, one, one, 5, silu, dup);
  gated_backward(Activation::gelu_tanh, gate, one, one, 5, gelu, dup);
  for (int i = 0; i < 5; ++i) {
    EXPECT_NEAR(silu[i], silu_slope(gate[i]), 1e-6);
    EXPECT_NEAR(gelu[i], gate[i] == 0 ? 0.5 : gate[i] > 0, 1e-6);
  }
  EXPECT_FLOAT_EQ(silu_slope(0), 0.5f);
  EXPECT_NEAR(silu_slope(20), 1, 1e-6);
}

class Gated : public ::testing::TestWithParam<Activation> {};

TEST_P(Gated, AgreesWithDifferences) {
  Rng rng(2);
  const auto gate = normal(6, rng), up = normal(6, rng), dy = normal(6, rng);
  std::vector<float> dgate(6), dup(6);
  gated_backward(GetParam(), gate.data(), up.data(), dy.data(), 6, dgate.data(), dup.data());
  const auto loss = [&](const std::vector<float>& g, const std::vector<float>& u) {
    const auto& kernels = vector_kernels(Isa::scalar);
    std::vector<float> y(6);
    (GetParam() == Activation::silu ? kernels.silu_mul : kernels.gelu_tanh_mul)(g.data(), u.data(),
                                                                                6, y.data());
    double sum = 0;
    for (std::size_t i = 0; i < 6; ++i) sum += double{y[i]} * dy[i];
    return sum;
  };
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(dgate[i], slope(gate, i, [&](const auto& g) { return loss(g, up); }), 2e-4);
    EXPECT_NEAR(dup[i], slope(up, i, [&](const auto& u) { return loss(gate, u); }), 2e-4);
  }
}
INSTANTIATE_TEST_SUITE_P(Activations, Gated,
                         ::testing::Values(Activation::silu, Activation::gelu_tanh));

}  // namespace
}  // namespace pith
