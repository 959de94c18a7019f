#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/numbers.h"
#include "base/rng.h"

namespace pith {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Random tiles; entries past the last are NaN: kernels must not let them into a sum.
struct Tiles {
  std::vector<std::vector<std::byte>> memory;
  std::vector<const std::byte*> pointers;

  Tiles(Index entries, Index dim, bool is_bf16, Rng& rng) {
    const Index element = is_bf16 ? 2 : 4, numbers = 2 * kTileEntries * dim;
    for (Index first = 0; first < entries; first += kTileEntries) {
      auto& block = memory.emplace_back(static_cast<std::size_t>(numbers * element + 64));
      const auto offset = (64 - reinterpret_cast<std::uintptr_t>(block.data()) % 64) % 64;
      std::byte* tile = block.data() + offset;
      for (Index i = 0; i < numbers; ++i) {
        const Index entry =
            i < numbers / 2 ? (is_bf16 ? i / 2 % 16 : i % 16) : i / dim - kTileEntries;
        const float x = first + entry < entries ? static_cast<float>(rng.normal()) : NAN;
        const bf16 narrow = to_bf16(x);
        std::memcpy(tile + i * element, is_bf16 ? static_cast<const void*>(&narrow) : &x,
                    static_cast<std::size_t>(element));
      }
      pointers.push_back(tile);
    }
  }
};

std::vector<float> random_floats(Index n, Rng& rng) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& value : x) value = static_cast<float>(rng.normal());
  return x;
}

class AttentionKernelsTest : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!supported(GetParam())) GTEST_SKIP() << "this machine has no " << to_string(GetParam());
  }
};

TEST_P(AttentionKernelsTest, LogitsAndSumsEqualTheScalarOnes) {
  const AttentionKernels &scalar = attention_kernels(Isa::scalar),
                         &tested = attention_kernels(GetParam());
  Rng rng(1);
  for (bool is_bf16 : {true, false})
    for (Index dim : {16, 32, 64, 80, 96, 112, 128, 256})
      for (Index rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15, 16, 17, 18, 20, 33, 96})
        for (Index entries : {1, 15, 16, 17, 64, 79, 250, 256}) {
          if (rows * entries * dim > 100000) continue;
          const Tiles tiles(entries, dim, is_bf16, rng);
          const auto queries = random_floats(rows * dim, rng),
                     start = random_floats(rows * dim, rng);
          const auto factors = random_floats(rows, rng);
          const Index width = round_up(entries, 16), stride = width + 16;
          std::vector<float> logits[2], outs[2];
          std::vector<float> weights = random_floats(rows * stride, rng);
          for (int i = 0; i < 2; ++i) {
            const TileKernels& kernels =
                is_bf16 ? (i ? tested : scalar).bf16 : (i ? tested : scalar).f32;
            std::vector<float> packed(queries.size());
            kernels.pack(queries.data(), rows, dim, packed.data());
            logits[i].assign(static_cast<std::size_t>(rows * stride), 77.0f);
            outs[i] = start;
            std::vector<std::byte> scratch(
                static_cast<std::size_t>(attention_scratch_bytes(rows, dim) + 64));
            AttentionStrip s{
                .rows = rows, .head_dim = dim, .entries = entries, .tiles = tiles.pointers.data()};
            s.next = tiles.pointers.data();
            s.queries = packed.data();
            s.factors = factors.data();
            s.strip = logits[i].data();
            s.stride = stride;
            s.out = outs[i].data();
            s.scratch =
                scratch.data() + (64 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 64) % 64;
            kernels.qk(s);
            s.strip = weights.data();
            kernels.pv(s);
          }
          const bool rounds =
              is_bf16 && GetParam() == Isa::avx512;  // queries, and weights of many rows, to bf16
          const double limit =
              rounds ? 0.04 * std::sqrt(static_cast<double>(dim)) : 1e-5 * static_cast<double>(dim);
          const double limit_out = rounds ? 0.04 * std::sqrt(static_cast<double>(entries))
                                          : 2e-6 * static_cast<double>(entries + 16);
          double error = 0, error_out = 0;
          for (Index r = 0; r < rows; ++r)
            for (Index j = 0; j < stride; ++j) {
              const auto at = static_cast<std::size_t>(r * stride + j);
              if (j < entries)
                error = std::max(error, std::abs(double{logits[0][at]} - double{logits[1][at]}));
              if (j >= width) {
                ASSERT_EQ(logits[1][at], 77.0f);
              }
            }
          for (std::size_t i = 0; i < outs[0].size(); ++i) {
            ASSERT_FALSE(std::isnan(outs[1][i]));
            error_out = std::max(error_out, std::abs(double{outs[0][i]} - double{outs[1][i]}));
          }
          ASSERT_LE(error, limit) << "logits, bf16 " << is_bf16 << ", D " << dim << ", rows "
                                  << rows << ", n " << entries;
          ASSERT_LE(error_out, limit_out) << "sums, bf16 " << is_bf16 << ", D " << dim << ", rows "
                                          << rows << ", n " << entries;
        }
}

TEST_P(AttentionKernelsTest, SoftmaxEqualsItsDefinition) {
  const AttentionKernels& kernels = attention_kernels(GetParam());
  Rng rng(2);
  for (Index n : {16, 32, 48, 256})
    for (float scale : {0.1f, 3.0f, 60.0f})
      for (bool biased : {false, true}) {
        auto x = random_floats(n + 1, rng);
        const auto bias = random_floats(n, rng);
        for (float& value : x) value *= scale;
        x[3] = -kInfinity;
        const auto before = x;
        double top = 0.5, sum = 0;
        for (std::size_t j = 0; j + 1 < x.size(); ++j)
          top = std::max(top, double{before[j]} + (biased ? double{bias[j]} : 0));
        float m = 0.5f;
        const float got = kernels.softmax(x.data(), biased ? bias.data() : nullptr, n, &m);
        EXPECT_NEAR(m, top, 1e-5);
        for (std::size_t j = 0; j + 1 < x.size(); ++j) {
          const float shifted = before[j] + (biased ? bias[j] : 0.0f) - m;
          const double expected = std::exp(double{shifted});
          EXPECT_NEAR(x[j], expected, 3e-7 * expected + 1.2e-38);
          sum += expected;
        }
        EXPECT_NEAR(got, sum, 1e-6 * sum);
        EXPECT_EQ(x[3], 0);
        EXPECT_EQ(x.back(), before.back());
      }
}

TEST_P(AttentionKernelsTest, SoftmaxOfNothingSeenIsZero) {
  const AttentionKernels& kernels = attention_kernels(GetParam());
  std::vector<float> x(32, -kInfinity);
  float m = -kInfinity;
  EXPECT_EQ(kernels.softmax(x.data(), nullptr, 32, &m), 0);
  EXPECT_EQ(m, -kInfinity);
  EXPECT_EQ(x, std::vector<float>(32, 0.0f));
}

TEST_P(AttentionKernelsTest, ScaleTakesAnyLength) {
  std::vector<float> x(40, 2.0f);
  attention_kernels(GetParam()).scale(x.data() + 1, 3.0f, 37);
  EXPECT_EQ(x[0], 2);
  for (std::size_t j = 1; j < 38; ++j) EXPECT_EQ(x[j], 6);
  EXPECT_EQ(x[38], 2);
}

INSTANTIATE_TEST_SUITE_P(Isa, AttentionKernelsTest,
                         ::testing::Values(Isa::scalar, Isa::avx2, Isa::avx512),
                         [](const auto& instance) {
                           return std::string(to_string(instance.param));
                         });

}  // namespace
}  // namespace pith
