#include "kernels/vector.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"

namespace pith {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// Every level above the reference, and every length and misalignment: 33 covers two AVX-512
// registers.
class VectorKernelsTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!supported(GetParam())) GTEST_SKIP() << to_string(GetParam()) << " is not on this machine";
  }
  const VectorKernels& fast() { return vector_kernels(GetParam()); }
  const VectorKernels& reference() { return vector_kernels(Isa::scalar); }

  // Calls check(n, a, b) with arrays of n values that begin at three misalignments.
  template <typename Check>
  void sweep(double magnitude, Check check) {
    Rng rng(7);
    std::vector<float> storage[2] = {std::vector<float>(2100), std::vector<float>(2100)};
    for (auto& values : storage)
      for (float& v : values) v = static_cast<float>(rng.normal() * magnitude);
    for (Index n = 1; n < 160; ++n)
      for (Index offset : {0, 1, 5})
        check(n, storage[0].data() + offset, storage[1].data() + offset);
    check(2048, storage[0].data() + 3, storage[1].data() + 1);
  }
};

// Writes through `call` into a guarded array; expects what the reference writes, and intact guards.
template <typename Call>
std::vector<float> guarded(Index n, Call call) {
  std::vector<float> y(static_cast<std::size_t>(n) + 64, 1234.5f);
  call(y.data() + 32);
  for (Index i = 0; i < 32; ++i) {
    EXPECT_EQ(y[static_cast<std::size_t>(i)], 1234.5f);
    EXPECT_EQ(y[static_cast<std::size_t>(n + 32 + i)], 1234.5f);
  }
  return {y.begin() + 32, y.begin() + 32 + n};
}

void expect_near(const std::vector<float>& got, const std::vector<float>& want, float relative,
                 float absolute) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], relative * std::fabs(want[i]) + absolute) << "at " << i;
}

TEST_P(VectorKernelsTest, RmsNorm) {
  sweep(3, [&](Index n, const float* x, const float* w) {
    for (const float* weight : {w, static_cast<const float*>(nullptr)})
      expect_near(guarded(n, [&](float* y) { fast().rms_norm(x, weight, 1e-5f, n, y); }),
                  guarded(n, [&](float* y) { reference().rms_norm(x, weight, 1e-5f, n, y); }),
                  1e-6f, 0);
  });
}

// Below -88.7 the exponential saturates: an absolute error that no model can see.
TEST_P(VectorKernelsTest, SiluMul) {
  for (double magnitude : {0.01, 3.0, 40.0})
    sweep(magnitude, [&](Index n, const float* x, const float* up) {
      expect_near(guarded(n, [&](float* y) { fast().silu_mul(x, up, n, y); }),
                  guarded(n, [&](float* y) { reference().silu_mul(x, up, n, y); }), 1e-6f, 1e-34f);
    });
}

// The argument of the exponential is itself rounded, so far out its relative error grows with it.
TEST_P(VectorKernelsTest, GeluTanhMul) {
  for (double magnitude : {0.01, 1.0, 4.0})
    sweep(magnitude, [&](Index n, const float* x, const float* up) {
      expect_near(guarded(n, [&](float* y) { fast().gelu_tanh_mul(x, up, n, y); }),
                  guarded(n, [&](float* y) { reference().gelu_tanh_mul(x, up, n, y); }), 1e-6f,
                  1e-9f);
    });
}

// Far out, the slopes are smaller than what they are the difference of.
TEST_P(VectorKernelsTest, GatedBackward) {
  for (double magnitude : {0.01, 1.0, 4.0})
    sweep(magnitude, [&](Index n, const float* x, const float* up) {
      for (auto kernel :
           {&VectorKernels::silu_mul_backward, &VectorKernels::gelu_tanh_mul_backward}) {
        std::vector<float> dup(static_cast<std::size_t>(n)), expected(dup);
        expect_near(
            guarded(n, [&](float* y) { (fast().*kernel)(x, up, x, n, y, dup.data()); }),
            guarded(n, [&](float* y) { (reference().*kernel)(x, up, x, n, y, expected.data()); }),
            1e-6f, 1e-6f);
        expect_near(dup, expected, 1e-6f, 1e-8f);
      }
    });
}

TEST_P(VectorKernelsTest, Axpy) {
  sweep(1, [&](Index n, const float* x, const float*) {
    const auto run = [&](const VectorKernels& kernels) {
      return guarded(n, [&](float* y) { kernels.axpy(0.7f, x, n, y); });
    };
    expect_near(run(fast()), run(reference()), 1e-6f, 0);
  });
}

TEST_P(VectorKernelsTest, Dot) {
  sweep(1, [&](Index n, const float* a, const float* b) {
    ASSERT_NEAR(fast().dot(a, b, n), reference().dot(a, b, n),
                2e-7 * static_cast<double>(n) + 1e-6);
  });
}

TEST_P(VectorKernelsTest, Rope) {
  sweep(1, [&](Index half, const float* x, const float* angles) {
    if (half > 160) return;
    std::vector<float> c, s;
    for (Index i = 0; i < half; ++i) {
      c.push_back(std::cos(angles[i]));
      s.push_back(std::sin(angles[i]));
    }
    const auto run = [&](const VectorKernels& kernels) {
      return guarded(2 * half, [&](float* y) {
        std::copy(x, x + 2 * half, y);
        kernels.rope(y, c.data(), s.data(), 2 * half);
      });
    };
    expect_near(run(fast()), run(reference()), 1e-6f, 1e-6f);
  });
}

TEST_P(VectorKernelsTest, ExpSum) {
  for (double magnitude : {1.0, 30.0})
    sweep(magnitude, [&](Index n, const float* x, const float*) {
      float got = 0, want = 0;
      expect_near(guarded(n, [&](float* y) { got = fast().exp_sum(x, 1.5f, n, y); }),
                  guarded(n, [&](float* y) { want = reference().exp_sum(x, 1.5f, n, y); }), 3e-7f,
                  1.2e-38f);
      ASSERT_NEAR(got, want, 1e-6f * want);
    });
}

TEST_P(VectorKernelsTest, ExpOfExtremes) {
  std::vector<float> x(16, 0.0f);
  x[0] = -kInf, x[1] = -1e30f, x[2] = -100, x[3] = 88.7f, x[4] = -87.3f;
  std::vector<float> y(16);
  fast().exp_sum(x.data(), 0, 16, y.data());
  EXPECT_EQ(y[0], 0);
  EXPECT_EQ(y[1], 0);
  EXPECT_LE(y[2], 1.2e-38f);
  EXPECT_NEAR(y[3], std::exp(88.7f), 1e32f);
  EXPECT_NEAR(y[4], std::exp(-87.3f), 1e-44f);
  EXPECT_EQ(y[5], 1);
}

// The worst error over a grid of arguments, in units of the last place.
TEST_P(VectorKernelsTest, ExpIsWithinTwoUnitsOfTheLastPlace) {
  std::vector<float> x(1 << 16), y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = -87.0f + 175.0f * static_cast<float>(i) / static_cast<float>(x.size());
  fast().exp_sum(x.data(), 0, static_cast<Index>(x.size()), y.data());
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp(static_cast<double>(x[i]));
    const double unit = std::ldexp(1.0, std::ilogb(exact) - 23);
    worst = std::max(worst, std::fabs(y[i] - exact) / unit);
  }
  EXPECT_LE(worst, 2);
}

TEST_P(VectorKernelsTest, Sum) {
  sweep(1, [&](Index n, const float* x, const float*) {
    ASSERT_NEAR(fast().sum(x, n), reference().sum(x, n), 1e-7f * static_cast<float>(n));
  });
}

TEST_P(VectorKernelsTest, Raise) {
  sweep(1, [&](Index n, const float* x, const float* start) {
    const auto run = [&](const VectorKernels& kernels) {
      return guarded(n, [&](float* y) {
        std::copy(start, start + n, y);
        kernels.raise(0.7f, x, n, y);
      });
    };
    ASSERT_EQ(run(fast()), run(reference()));
  });
}

TEST_P(VectorKernelsTest, Max) {
  sweep(1, [&](Index n, const float* x, const float*) {
    ASSERT_EQ(fast().max(x, n), reference().max(x, n));
  });
}

TEST(VectorKernels, ReferenceKnowsItsFormulas) {
  const auto& kernels = vector_kernels(Isa::scalar);
  const float x[] = {3, 4}, one[] = {1, 1};
  float y[2];
  kernels.rms_norm(x, nullptr, 0, 2, y);
  EXPECT_FLOAT_EQ(y[0], 3 / std::sqrt(12.5f));
  kernels.silu_mul(x, one, 2, y);
  EXPECT_FLOAT_EQ(y[0], 2.8577223f);
  kernels.gelu_tanh_mul(one, x, 2, y);
  EXPECT_FLOAT_EQ(y[0], 3 * 0.84119199f);
  EXPECT_EQ(kernels.dot(x, x, 2), 25);
  EXPECT_EQ(kernels.sum(x, 2), 7);
  EXPECT_EQ(kernels.max(x, 2), 4);
  float most[] = {1, 9};
  kernels.raise(2, x, 2, most);
  EXPECT_EQ(most[0], 6);
  EXPECT_EQ(most[1], 9);
}

INSTANTIATE_TEST_SUITE_P(Levels, VectorKernelsTest, testing::Values(Isa::avx2, Isa::avx512),
                         [](const auto& level) { return std::string(to_string(level.param)); });

}  // namespace
}  // namespace pith
