#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kernels/attention.h"
#include "kernels/hadamard.h"

namespace pith {
namespace {

std::vector<float> random_floats(Index n, Rng& rng) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& value : x) value = static_cast<float>(rng.normal());
  return x;
}

// Tiles of random codes for numbers in [-1, 1]; entries past the last have scales of NaN: kernels
// must not let them into a sum.
struct Tiles {
  std::vector<std::vector<std::byte>> memory;
  std::vector<const std::byte*> pointers;

  Tiles(Packing packing, Index dim, Index entries, Rng& rng) {
    const PackedTile at{packing, dim};
    const double most =
        packing == Packing::e4m3 ? double{kMostE4m3} : std::exp2(packing_bits(packing)) - 1;
    for (Index first = 0; first < entries; first += kTileEntries) {
      auto& block = memory.emplace_back(static_cast<std::size_t>(at.bytes() + 64));
      std::byte* tile =
          block.data() + (64 - reinterpret_cast<std::uintptr_t>(block.data()) % 64) % 64;
      for (Index i = 0; i < at.key_scales(); ++i) tile[i] = static_cast<std::byte>(rng.next());
      for (Index column : {at.key_scales(), at.value_scales()})
        for (Index entry = 0; entry < kTileEntries; ++entry) {
          const double width = rng.uniform();
          const bool is_float = packing == Packing::e4m3;
          bf16 scale = to_bf16(static_cast<float>((is_float ? 1 : 2) * width / most));
          bf16 zero = to_bf16(is_float ? 0.0f : static_cast<float>(-width));
          if (first + entry >= entries) scale = zero = to_bf16(NAN);
          std::memcpy(tile + column + 2 * entry, &scale, 2);
          std::memcpy(tile + column + 32 + 2 * entry, &zero, 2);
        }
      pointers.push_back(tile);
    }
  }
};

struct Result {
  std::vector<float> logits, out;
};

Result run(const TileKernels& kernels, AttentionStrip s, const std::vector<float>& queries,
           const std::vector<float>& weights, const std::vector<float>& start) {
  Result result{std::vector<float>(weights.size(), 77.0f), start};
  std::vector<float> packed(static_cast<std::size_t>(s.rows * packed_query_floats(s.head_dim)));
  kernels.pack(queries.data(), s.rows, s.head_dim, packed.data());
  std::vector<std::byte> scratch(
      static_cast<std::size_t>(attention_scratch_bytes(s.rows, s.head_dim) + 64));
  s.scratch = scratch.data() + (64 - reinterpret_cast<std::uintptr_t>(scratch.data()) % 64) % 64;
  s.queries = packed.data();
  s.strip = result.logits.data();
  kernels.qk(s);
  auto strip = weights;
  s.strip = strip.data();
  s.out = result.out.data();
  kernels.pv(s);
  EXPECT_EQ(strip, weights);  // a tap sees them
  return result;
}

// Every code has bits of its own, and together they fill what scales do not.
TEST(PackedTile, CodesLieApart) {
  Rng rng(3);
  for (int packing = 0; packing < kPackings; ++packing)
    for (Index dim : {6, 16, 33, 64, 80}) {
      const PackedTile at{static_cast<Packing>(packing), dim};
      SCOPED_TRACE("packing " + std::to_string(packing) + ", D " + std::to_string(dim));
      const auto code = [&] {
        return static_cast<std::uint32_t>(rng.below(std::uint64_t{1} << at.bits()));
      };
      std::vector<std::byte> tile(static_cast<std::size_t>(at.bytes()), std::byte{0xa5});
      std::vector<std::uint32_t> keys, values;
      for (Index entry = 0; entry < 16; ++entry)
        for (Index d = 0; d < dim; ++d) {
          at.set_key_code(tile.data(), d, entry, keys.emplace_back(code()));
          at.set_value_code(tile.data(), entry, d, values.emplace_back(code()));
        }
      std::size_t i = 0;
      for (Index entry = 0; entry < 16; ++entry)
        for (Index d = 0; d < dim; ++d, ++i) {
          ASSERT_EQ(at.key_code(tile.data(), d, entry), keys[i]);
          ASSERT_EQ(at.value_code(tile.data(), entry, d), values[i]);
        }
      for (Index byte = at.key_scales(); byte < at.bytes(); ++byte)
        ASSERT_EQ(tile[static_cast<std::size_t>(byte)], std::byte{0xa5});
      if (dim % 32 == 0) {
        EXPECT_EQ(at.key_scales(), 2 * 16 * dim * at.bits() / 8);
      }
    }
}

class PackedKernels : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!supported(GetParam())) GTEST_SKIP() << "this machine has no " << to_string(GetParam());
  }
};

TEST_P(PackedKernels, EqualTheScalarOnes) {
  Rng rng(1);
  for (int packing = 0; packing < kPackings; ++packing)
    for (Index dim : {16, 32, 64, 80, 96, 112, 128, 256})
      for (Index rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33, 96})
        for (Index entries : {1, 15, 16, 17, 79, 256, 512}) {
          if (rows * entries * dim > 150000) continue;
          SCOPED_TRACE("packing " + std::to_string(packing) + ", D " + std::to_string(dim) +
                       ", rows " + std::to_string(rows) + ", n " + std::to_string(entries));
          const Tiles tiles(static_cast<Packing>(packing), dim, entries, rng);
          const Index width = round_up(entries, 16), stride = width + 16;
          const auto queries = random_floats(rows * dim, rng),
                     start = random_floats(rows * dim, rng), base = random_floats(rows, rng),
                     factors = random_floats(rows, rng),
                     weights = random_floats(rows * stride, rng);
          AttentionStrip s{
              .rows = rows, .head_dim = dim, .entries = entries, .tiles = tiles.pointers.data()};
          s.next = rows % 2 == 0 ? tiles.pointers.data() : nullptr;
          s.base = rows % 3 == 0 ? nullptr : base.data();
          s.factors = factors.data();
          s.stride = stride;
          const Result expected = run(attention_kernels(Isa::scalar).packed[packing], s, queries,
                                      weights, start),
                       got = run(attention_kernels(GetParam()).packed[packing], s, queries, weights,
                                 start);
          // Weights are rounded to 16 bits, with e4m3 on AVX-512 to bf16; queries likewise, but to
          // 8 bits for keys of 4 bits and fewer.
          const bool is_bf16 =
              packing == static_cast<int>(Packing::e4m3) && GetParam() == Isa::avx512;
          const bool is_narrow = packing == static_cast<int>(Packing::int4) ||
                                 packing == static_cast<int>(Packing::int3) ||
                                 packing == static_cast<int>(Packing::int2);
          const double unit = is_bf16 ? 1e-2 : 1e-4;
          const double query_unit = is_narrow && GetParam() != Isa::scalar ? 3e-2 : unit;
          double error = 0, error_out = 0;
          for (Index r = 0; r < rows; ++r)
            for (Index j = 0; j < stride; ++j) {
              const auto at = static_cast<std::size_t>(r * stride + j);
              if (j < entries)
                error = std::max(error, std::abs(double{expected.logits[at]} - got.logits[at]));
              if (j >= width) {
                ASSERT_EQ(got.logits[at], 77.0f);
              }
            }
          for (std::size_t i = 0; i < got.out.size(); ++i) {
            ASSERT_FALSE(std::isnan(got.out[i]));
            error_out = std::max(error_out, std::abs(double{expected.out[i]} - got.out[i]));
          }
          ASSERT_LE(error, query_unit * std::sqrt(static_cast<double>(dim)));
          ASSERT_LE(error_out, 3 * unit * std::sqrt(static_cast<double>(entries + 16)));
        }
}

// The largest sums that 32 bits must hold: all codes and factors at their most.
TEST_P(PackedKernels, SumsDoNotOverflow) {
  const Index dim = 512, entries = 512;
  const PackedTile at{Packing::int8, dim};
  std::vector<std::byte> memory(static_cast<std::size_t>(at.bytes() + 64), std::byte{0xff});
  std::byte* tile =
      memory.data() + (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64;
  const bf16 one = to_bf16(1), none = to_bf16(0);
  for (Index entry = 0; entry < 16; ++entry)
    for (Index column : {at.key_scales(), at.value_scales()}) {
      std::memcpy(tile + column + 2 * entry, &one, 2);
      std::memcpy(tile + column + 32 + 2 * entry, &none, 2);
    }
  const std::vector<const std::byte*> tiles(entries / 16, tile);
  const std::vector<float> ones(dim, 1), factor(1, 0);
  AttentionStrip s{.rows = 1, .head_dim = dim, .entries = entries, .tiles = tiles.data()};
  s.factors = factor.data();
  s.stride = entries;
  const Result got = run(attention_kernels(GetParam()).packed[0], s, ones, ones, ones);
  EXPECT_NEAR(got.logits[511], 512 * 255, 20);
  EXPECT_NEAR(got.out[511], 512 * 255, 20);
}

INSTANTIATE_TEST_SUITE_P(Isa, PackedKernels, ::testing::Values(Isa::scalar, Isa::avx2, Isa::avx512),
                         [](const auto& instance) {
                           return std::string(to_string(instance.param));
                         });

TEST(E4m3, RoundsToTheNearest) {
  for (std::uint32_t code = 0; code < 256; ++code) EXPECT_EQ(to_e4m3(from_e4m3(code)), code);
  EXPECT_EQ(from_e4m3(0), 0x1p-7f);
  EXPECT_EQ(from_e4m3(0x7f), 480);
  EXPECT_EQ(from_e4m3(0xb8), -1);
  EXPECT_EQ(from_e4m3(to_e4m3(1.06f)), 1);
  EXPECT_EQ(from_e4m3(to_e4m3(1.07f)), 1.125f);
  EXPECT_EQ(from_e4m3(to_e4m3(1.95f)), 2);
  EXPECT_EQ(from_e4m3(to_e4m3(-1e9f)), -480);
  EXPECT_EQ(from_e4m3(to_e4m3(1e-9f)), 0x1p-7f);
}

TEST(Hadamard, IsOrthonormalAndComesBack) {
  Rng rng(2);
  for (Index dim : {1, 2, 6, 16, 34, 64, 80, 96, 128, 256}) {
    const auto x = random_floats(2 * dim, rng);
    auto y = x;
    rotate_hadamard(y.data(), 2, dim);
    double before = 0, after = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(dim); ++i) {
      before += double{x[i]} * x[i];
      after += double{y[i]} * y[i];
    }
    EXPECT_NEAR(after, before, 1e-5 * before);
    unrotate_hadamard(y.data(), 2, dim);
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(y[i], x[i], 2e-6);
  }
}

// Saved caches hold rotated numbers: the signs must stay what they are.
TEST(Hadamard, IsWhatItWas) {
  std::vector<float> x(16, 1.0f);
  rotate_hadamard(x.data(), 1, 16);
  const std::vector<float> sums = {-2, 6, 2, -6, 2, 2, -2, -2, 6, -2, 2, -6, -6, -6, -2, -2};
  for (std::size_t i = 0; i < 16; ++i) EXPECT_NEAR(4 * x[i], sums[i], 1e-5);
}

}  // namespace
}  // namespace pith
