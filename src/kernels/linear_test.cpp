#include "kernels/linear.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/linear_test_support.h"

namespace pith {
namespace {

// What the int8 blocks of activations stand for.
std::vector<float> round_to_blocks(std::vector<float> x) {
  for (std::size_t b = 0; b + 32 <= x.size(); b += 32) {
    float most = 0;
    for (std::size_t i = b; i < b + 32; ++i) most = std::max(most, std::fabs(x[i]));
    if (most == 0) continue;
    for (std::size_t i = b; i < b + 32; ++i)
      x[i] = std::nearbyint(x[i] * (127 / most)) * (most / 127);
  }
  return x;
}

// [T, N] in double.
std::vector<double> reference(const Weights& w, const std::vector<float>& x, Index tokens,
                              const std::vector<float>& bias) {
  const Index rows = w.matrix.rows, cols = w.matrix.cols;
  std::vector<double> y;
  for (Index t = 0; t < tokens; ++t)
    for (Index n = 0; n < rows; ++n) {
      double sum = bias.empty() ? 0 : bias[static_cast<std::size_t>(n)];
      const float* a = x.data() + t * cols;
      const float* b = w.values.data() + n * cols;
      for (Index k = 0; k < cols; ++k) sum += static_cast<double>(a[k]) * b[k];
      y.push_back(sum);
    }
  return y;
}

double nmse(const std::vector<float>& got, const std::vector<double>& want) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    error += (got[i] - want[i]) * (got[i] - want[i]);
    norm += want[i] * want[i];
  }
  return error / norm;
}

// [T, N] from multiply() with rows of `stride` floats, whose padding must stay as it was.
std::vector<float> product(Isa isa, Numerics numerics, const Weights& w,
                           const std::vector<float>& x, Index tokens,
                           const std::vector<float>& bias = {}, Index padding = 0,
                           int threads = 2) {
  ThreadPool pool(threads);
  Activations activations(isa);
  activations.prepare(x, tokens, w.matrix.cols, numerics, pool);
  const Index rows = w.matrix.rows, stride = rows + padding;
  std::vector<float> y(static_cast<std::size_t>(tokens * stride), 77.0f), packed;
  const Product p{w.matrix, bias.empty() ? nullptr : bias.data(), y.data(), stride};
  multiply(activations, {&p, 1}, pool);
  for (Index t = 0; t < tokens; ++t) {
    const auto from = y.begin() + t * stride;
    packed.insert(packed.end(), from, from + rows);
    for (Index i = rows; i < stride; ++i) EXPECT_EQ(from[i], 77.0f);
  }
  return packed;
}

struct Case {
  Isa isa;
  Numerics numerics;
  WeightType type;
};

std::string name_of(const Case& c) {
  return std::string(to_string(c.isa)) + (c.numerics == Numerics::exact ? "_exact_" : "_fast_") +
         std::string(info(c.type).name);
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512})
    for (Numerics numerics : {Numerics::exact, Numerics::fast})
      for (WeightType type : kWeightTypes) cases.push_back({isa, numerics, type});
  return cases;
}

class LinearTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!supported(GetParam().isa))
      GTEST_SKIP() << to_string(GetParam().isa) << " is not on this machine";
  }
  bool rounds() const {
    return GetParam().numerics == Numerics::fast && info(GetParam().type).block > 1;
  }
};

struct Shape {
  Index rows, cols, tokens;
};

TEST_P(LinearTest, AgreesWithDouble) {
  const auto [isa, numerics, type] = GetParam();
  for (const auto [rows, cols, tokens] : std::vector<Shape>{{1, 256, 1},
                                                            {3, 32, 2},
                                                            {16, 64, 3},
                                                            {33, 576, 4},
                                                            {50, 896, 5},
                                                            {7, 256, 7},
                                                            {40, 1536, 9},
                                                            {19, 4864, 12},
                                                            {47, 1536, 13},
                                                            {300, 256, 31},
                                                            {20, 896, 70}}) {
    if (cols % info(type).block != 0) continue;
    const Weights w(type, rows, cols, 5);
    const auto x = normal(tokens * cols, 6), bias = normal(rows, 7);
    const auto y = product(isa, numerics, w, x, tokens, bias, 3);
    const std::string shape = fmt::format("N={} K={} T={}", rows, cols, tokens);
    EXPECT_LE(nmse(y, reference(w, x, tokens, bias)), rounds() ? 5e-4 : 1e-10) << shape;
    if (!rounds()) continue;
    EXPECT_LE(nmse(y, reference(w, round_to_blocks(x), tokens, bias)), 1e-9) << shape;
  }
}

// Activations far from zero make the minima and zero points large; nothing may be lost to them.
TEST_P(LinearTest, AgreesForActivationsWithALargeMean) {
  const auto [isa, numerics, type] = GetParam();
  const Weights w(type, 32, 512, 5);
  for (Index tokens : {1, 20}) {
    auto x = normal(tokens * 512, 6);
    for (float& v : x) v += 10;
    const auto y = product(isa, numerics, w, x, tokens);
    const auto rounded = rounds() ? round_to_blocks(x) : x;
    EXPECT_LE(nmse(y, reference(w, rounded, tokens, {})), 1e-9) << "T=" << tokens;
  }
}

// The largest codes with the largest activations: integer sums must not overflow.
TEST_P(LinearTest, SurvivesExtremeCodes) {
  const auto [isa, numerics, type] = GetParam();
  Weights w(type, 16, 256, 5);
  for (float magnitude : {1.0f, -1.0f}) {
    for (Index n = 0; n < 16; ++n) {
      const std::span<float> row(w.values.data() + n * 256, 256);
      for (std::size_t k = 0; k < 256; ++k) row[k] = k % 32 == 0 ? -magnitude : magnitude;
      quantize(type, row, w.bytes.data() + n * w.matrix.row_bytes());
      dequantize(w.matrix, n, 0, 256, row);
    }
    for (Index tokens : {1, 20}) {
      const std::vector<float> x(static_cast<std::size_t>(tokens * 256), 3.0f);
      EXPECT_LE(nmse(product(isa, numerics, w, x, tokens), reference(w, x, tokens, {})), 1e-9);
    }
  }
}

TEST_P(LinearTest, ZerosGiveTheBias) {
  const auto [isa, numerics, type] = GetParam();
  const Weights w(type, 16, 256, 5);
  const std::vector<float> bias(16, 0.5f);
  for (Index tokens : {1, 20}) {
    const std::vector<float> x(static_cast<std::size_t>(tokens * 256));
    for (float v : product(isa, numerics, w, x, tokens, bias)) EXPECT_EQ(v, 0.5f);
  }
}

// Few tokens take one path and many another; within each, a token's outputs are the same bits
// whoever else is in the batch, and for any number of threads.
TEST_P(LinearTest, BitsDependOnTheTokenAlone) {
  const auto [isa, numerics, type] = GetParam();
  const Weights w(type, 70, 1280, 5);
  const auto x = normal(40 * 1280, 6);
  const auto first = [&](Index tokens, int threads) {
    auto y =
        product(isa, numerics, w, {x.begin(), x.begin() + tokens * 1280}, tokens, {}, 0, threads);
    y.resize(70);
    return y;
  };
  EXPECT_EQ(first(1, 1), first(1, 3));
  EXPECT_EQ(first(1, 1), first(2, 2));
  EXPECT_EQ(first(1, 1), first(3, 2));
  EXPECT_EQ(first(1, 1), first(4, 2));
  EXPECT_EQ(first(40, 1), first(40, 3));
  EXPECT_EQ(first(40, 1), first(33, 2));
  EXPECT_EQ(first(40, 1), first(20, 2));
}

TEST_P(LinearTest, BatchSizeCanBeIgnored) {
  const auto [isa, numerics, type] = GetParam();
  const Weights w(type, 70, 256, 5);
  const auto x = normal(40 * 256, 6);
  ThreadPool pool(2);
  const auto first = [&](Index tokens) {
    std::vector<float> y(static_cast<std::size_t>(tokens * 70));
    Activations activations(isa);
    activations.ignore_batch_size();
    activations.prepare(std::span(x).first(static_cast<std::size_t>(tokens * 256)), tokens, 256,
                        numerics, pool);
    const Product p{w.matrix, nullptr, y.data(), 70};
    multiply(activations, {&p, 1}, pool);
    y.resize(70);
    return y;
  };
  for (Index tokens : {2, 4, 5, 8, 33}) EXPECT_EQ(first(1), first(tokens)) << tokens;
}

TEST_P(LinearTest, GroupsGiveWhatSingleProductsGive) {
  const auto [isa, numerics, type] = GetParam();
  const Weights a(type, 70, 256, 5), b(type, 17, 256, 8);
  ThreadPool pool(2);
  for (Index tokens : {1, 20}) {
    const auto x = normal(tokens * 256, 6);
    std::vector<float> ya(static_cast<std::size_t>(tokens * 70)),
        yb(static_cast<std::size_t>(tokens * 17));
    Activations activations(isa);
    activations.prepare(x, tokens, 256, numerics, pool);
    const Product group[] = {{a.matrix, nullptr, ya.data(), 70},
                             {b.matrix, nullptr, yb.data(), 17}};
    multiply(activations, group, pool);
    EXPECT_EQ(ya, product(isa, numerics, a, x, tokens));
    EXPECT_EQ(yb, product(isa, numerics, b, x, tokens));
  }
}

INSTANTIATE_TEST_SUITE_P(All, LinearTest, testing::ValuesIn(all_cases()),
                         [](const auto& c) { return name_of(c.param); });

TEST(Linear, QuantizeThenDequantizeIsClose) {
  for (WeightType type : kWeightTypes) {
    const auto row = normal(512, 3);
    const Weights w(type, 1, 512, 3);
    const double bits =
        static_cast<double>(info(type).bytes * 8) / static_cast<double>(info(type).block);
    const double error = nmse(w.values, {row.begin(), row.end()});
    EXPECT_LT(error, bits > 8               ? 3e-5
                     : bits > 6 && bits < 7 ? 4e-4
                     : bits > 5             ? 2e-3
                                            : 8e-3)
        << info(type).name;
  }
}

// A row that is no multiple of 32, which only the float types can have.
TEST(Linear, FloatWeightsTakeAnyWidth) {
  for (Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512}) {
    if (!supported(isa)) continue;
    for (WeightType type : {WeightType::f32, WeightType::f16, WeightType::bf16})
      for (Numerics numerics : {Numerics::exact, Numerics::fast})
        for (Index tokens : {1, 3, 20})
          for (Index cols : {1, 7, 45}) {
            const Weights w(type, 18, cols, 5);
            const auto x = normal(tokens * cols, 6);
            EXPECT_LE(nmse(product(isa, numerics, w, x, tokens), reference(w, x, tokens, {})),
                      1e-10);
          }
  }
}

}  // namespace
}  // namespace pith
