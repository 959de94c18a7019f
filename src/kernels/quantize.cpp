// Quantisation by rounding to nearest, for test models. It searches for nothing: a converter that
// minimises the error of a matrix does better.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/blocks.h"
#include "kernels/linear.h"

namespace pith {
namespace {

// The code of x on the grid offset + step * code, within [0, most].
int code(float x, float step, float offset, int most) {
  if (step == 0) return 0;
  return std::clamp(static_cast<int>(std::lround((x - offset) / step)), 0, most);
}

// The value of largest magnitude, with its sign.
float extreme(const float* x, int n) {
  return *std::max_element(x, x + n, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
}

struct Range {
  float low, high;
};
Range range(const float* x, int n) {
  const auto [low, high] = std::minmax_element(x, x + n);
  return {*low, *high};
}

template <typename Block>
void store_nibbles_of_32(const float* x, float step, float offset, int most, Block& block,
                         std::uint32_t& high) {
  high = 0;
  for (int j = 0; j < 16; ++j) {
    const int low_half = code(x[j], step, offset, most);
    const int high_half = code(x[j + 16], step, offset, most);
    block.qs[j] = static_cast<std::uint8_t>((low_half & 15) | ((high_half & 15) << 4));
    high |= static_cast<std::uint32_t>(low_half >> 4) << j;
    high |= static_cast<std::uint32_t>(high_half >> 4) << (j + 16);
  }
}

void pack(const float* x, float& out) { out = *x; }
void pack(const float* x, f16& out) { out = to_f16(*x); }
void pack(const float* x, bf16& out) { out = to_bf16(*x); }

void pack(const float* x, BlockQ8_0& block) {
  block.d = to_f16(std::fabs(extreme(x, 32)) / 127);
  const float d = to_float(block.d);
  for (int j = 0; j < 32; ++j)
    block.qs[j] = static_cast<std::int8_t>(code(x[j], d, -127 * d, 254) - (d == 0 ? 0 : 127));
}

void pack(const float* x, BlockQ4_0& block) {
  std::uint32_t unused;
  block.d = to_f16(extreme(x, 32) / -8);
  const float d = to_float(block.d);
  store_nibbles_of_32(x, d, -8 * d, 15, block, unused);
}

void pack(const float* x, BlockQ4_1& block) {
  std::uint32_t unused;
  const auto [low, high] = range(x, 32);
  block.d = to_f16((high - low) / 15);
  block.m = to_f16(low);
  store_nibbles_of_32(x, to_float(block.d), to_float(block.m), 15, block, unused);
}

void pack(const float* x, BlockQ5_0& block) {
  std::uint32_t high;
  block.d = to_f16(extreme(x, 32) / -16);
  const float d = to_float(block.d);
  store_nibbles_of_32(x, d, -16 * d, 31, block, high);
  std::memcpy(block.qh, &high, sizeof high);
}

void pack(const float* x, BlockQ5_1& block) {
  std::uint32_t high;
  const auto [least, most] = range(x, 32);
  block.d = to_f16((most - least) / 31);
  block.m = to_f16(least);
  store_nibbles_of_32(x, to_float(block.d), to_float(block.m), 31, block, high);
  std::memcpy(block.qh, &high, sizeof high);
}

// The shared part of Q4_K and Q5_K: chooses scales and minima, and leaves the 256 codes in `q`.
template <typename Block>
void pack_sub_blocks(const float* x, int most, Block& block, std::uint8_t* q) {
  float steps[8], offsets[8];  // offsets are magnitudes: a sub-block starts at or below zero
  for (int s = 0; s < 8; ++s) {
    const auto [low, high] = range(x + 32 * s, 32);
    offsets[s] = -std::min(low, 0.0f);
    steps[s] = std::max(0.0f, high + offsets[s]) / static_cast<float>(most);
  }
  block.d = to_f16(*std::max_element(steps, steps + 8) / 63);
  block.dmin = to_f16(*std::max_element(offsets, offsets + 8) / 63);
  const float d = to_float(block.d), dmin = to_float(block.dmin);
  std::memset(block.scales, 0, sizeof block.scales);
  for (int s = 0; s < 8; ++s) {
    const int scale = code(steps[s], d, 0, 63), min = code(offsets[s], dmin, 0, 63);
    const auto put = [&](int byte, int bits) {
      block.scales[byte] = static_cast<std::uint8_t>(block.scales[byte] | bits);
    };
    if (s < 4) {
      put(s, scale);
      put(s + 4, min);
    } else {
      put(s + 4, (scale & 15) | ((min & 15) << 4));
      put(s - 4, (scale >> 4) << 6);
      put(s, (min >> 4) << 6);
    }
    const float step = d * static_cast<float>(scale), offset = -dmin * static_cast<float>(min);
    for (int j = 32 * s; j < 32 * s + 32; ++j)
      q[j] = static_cast<std::uint8_t>(code(x[j], step, offset, most));
  }
  for (int i = 0; i < 128; ++i) {
    const int first = i / 32 * 64 + i % 32;
    block.qs[i] = static_cast<std::uint8_t>((q[first] & 15) | ((q[first + 32] & 15) << 4));
  }
}

void pack(const float* x, BlockQ4_K& block) {
  std::uint8_t q[256];
  pack_sub_blocks(x, 15, block, q);
}

void pack(const float* x, BlockQ5_K& block) {
  std::uint8_t q[256];
  pack_sub_blocks(x, 31, block, q);
  std::memset(block.qh, 0, sizeof block.qh);
  for (int i = 0; i < 256; ++i)
    block.qh[i % 32] = static_cast<std::uint8_t>(block.qh[i % 32] | ((q[i] >> 4) << (i / 32)));
}

void pack(const float* x, BlockQ6_K& block) {
  float steps[16];
  for (int s = 0; s < 16; ++s) steps[s] = extreme(x + 16 * s, 16) / -32;
  block.d = to_f16(extreme(steps, 16) / -128);
  const float d = to_float(block.d);
  std::memset(block.ql, 0, sizeof block.ql);
  std::memset(block.qh, 0, sizeof block.qh);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i % 128 / 32, j = i % 32, s = i / 16;
    const int scale = code(steps[s], d, -128 * d, 255) - (d == 0 ? 0 : 128);
    block.scales[s] = static_cast<std::int8_t>(scale);
    const float step = d * static_cast<float>(scale);
    const int q = step == 0 ? 32 : code(x[i], step, -32 * step, 63);
    std::uint8_t& low = block.ql[64 * half + quarter % 2 * 32 + j];
    std::uint8_t& high = block.qh[32 * half + j];
    low = static_cast<std::uint8_t>(low | ((q & 15) << (quarter / 2 * 4)));
    high = static_cast<std::uint8_t>(high | ((q >> 4) << (2 * quarter)));
  }
}

template <typename Block>
void pack_blocks(std::span<const float> row, Index width, std::byte* out) {
  const Index blocks = static_cast<Index>(row.size()) / width;
  for (Index b = 0; b < blocks; ++b) {
    Block block;
    pack(row.data() + b * width, block);
    std::memcpy(out + b * static_cast<Index>(sizeof block), &block, sizeof block);
  }
}

}  // namespace

void quantize(WeightType type, std::span<const float> row, std::byte* out) {
  const Index width = info(type).block;
  switch (type) {
    case WeightType::f32:
      return pack_blocks<float>(row, width, out);
    case WeightType::f16:
      return pack_blocks<f16>(row, width, out);
    case WeightType::bf16:
      return pack_blocks<bf16>(row, width, out);
    case WeightType::q8_0:
      return pack_blocks<BlockQ8_0>(row, width, out);
    case WeightType::q4_0:
      return pack_blocks<BlockQ4_0>(row, width, out);
    case WeightType::q4_1:
      return pack_blocks<BlockQ4_1>(row, width, out);
    case WeightType::q5_0:
      return pack_blocks<BlockQ5_0>(row, width, out);
    case WeightType::q5_1:
      return pack_blocks<BlockQ5_1>(row, width, out);
    case WeightType::q4_k:
      return pack_blocks<BlockQ4_K>(row, width, out);
    case WeightType::q5_k:
      return pack_blocks<BlockQ5_K>(row, width, out);
    case WeightType::q6_k:
      return pack_blocks<BlockQ6_K>(row, width, out);
  }
}

}  // namespace pith
