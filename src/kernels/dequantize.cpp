// Dequantisation, block by block. It is the specification of every type; the fast unpackers are
// swept against it.
#include <cstring>
#include <string>

#include "base/error.h"
#include "kernels/blocks.h"
#include "kernels/linear.h"

namespace pith {
namespace {

template <typename Block>
void nibbles_of_32(const Block& block, float scale, float offset, float* out) {
  for (int j = 0; j < 16; ++j) {
    out[j] = static_cast<float>(block.qs[j] & 15) * scale + offset;
    out[j + 16] = static_cast<float>(block.qs[j] >> 4) * scale + offset;
  }
}

template <typename Block>
void five_bits_of_32(const Block& block, float scale, float offset, float* out) {
  std::uint32_t high;
  std::memcpy(&high, block.qh, sizeof high);
  for (int j = 0; j < 16; ++j) {
    const auto low_half = (block.qs[j] & 15u) | (((high >> j) & 1u) << 4);
    const auto high_half = (block.qs[j] >> 4) | (((high >> (j + 16)) & 1u) << 4);
    out[j] = static_cast<float>(low_half) * scale + offset;
    out[j + 16] = static_cast<float>(high_half) * scale + offset;
  }
}

void expand(const float& x, float* out) { *out = x; }
void expand(const f16& x, float* out) { *out = to_float(x); }
void expand(const bf16& x, float* out) { *out = to_float(x); }

void expand(const BlockQ8_0& block, float* out) {
  const float d = to_float(block.d);
  for (int j = 0; j < 32; ++j) out[j] = static_cast<float>(block.qs[j]) * d;
}

void expand(const BlockQ4_0& block, float* out) {
  const float d = to_float(block.d);
  nibbles_of_32(block, d, -8 * d, out);
}

void expand(const BlockQ4_1& block, float* out) {
  nibbles_of_32(block, to_float(block.d), to_float(block.m), out);
}

void expand(const BlockQ5_0& block, float* out) {
  const float d = to_float(block.d);
  five_bits_of_32(block, d, -16 * d, out);
}

void expand(const BlockQ5_1& block, float* out) {
  five_bits_of_32(block, to_float(block.d), to_float(block.m), out);
}

void expand(const BlockQ4_K& block, float* out) {
  for (int s = 0; s < 8; ++s) {
    const auto [scale, min] = scale_min(block.scales, s);
    const float d = to_float(block.d) * static_cast<float>(scale);
    const float m = to_float(block.dmin) * static_cast<float>(min);
    const std::uint8_t* qs = block.qs + s / 2 * 32;
    const int shift = s % 2 * 4;
    for (int j = 0; j < 32; ++j)
      out[32 * s + j] = static_cast<float>((qs[j] >> shift) & 15) * d - m;
  }
}

void expand(const BlockQ5_K& block, float* out) {
  for (int s = 0; s < 8; ++s) {
    const auto [scale, min] = scale_min(block.scales, s);
    const float d = to_float(block.d) * static_cast<float>(scale);
    const float m = to_float(block.dmin) * static_cast<float>(min);
    const std::uint8_t* qs = block.qs + s / 2 * 32;
    const int shift = s % 2 * 4;
    for (int j = 0; j < 32; ++j) {
      const int q = ((qs[j] >> shift) & 15) | (((block.qh[j] >> s) & 1) << 4);
      out[32 * s + j] = static_cast<float>(q) * d - m;
    }
  }
}

void expand(const BlockQ6_K& block, float* out) {
  const float d = to_float(block.d);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i % 128 / 32, j = i % 32;
    const int low = (block.ql[64 * half + quarter % 2 * 32 + j] >> (quarter / 2 * 4)) & 15;
    const int high = (block.qh[32 * half + j] >> (2 * quarter)) & 3;
    const float scale = d * static_cast<float>(block.scales[i / 16]);
    out[i] = static_cast<float>((low | (high << 4)) - 32) * scale;
  }
}

template <typename Block>
void expand_blocks(const std::byte* bytes, Index blocks, Index width, float* out) {
  for (Index b = 0; b < blocks; ++b) {
    Block block;
    std::memcpy(&block, bytes + b * static_cast<Index>(sizeof block), sizeof block);
    expand(block, out + b * width);
  }
}

}  // namespace

void dequantize(const WeightMatrix& w, Index row, Index first, Index count, std::span<float> out) {
  const auto [name, width, size] = info(w.type);
  PITH_CHECK(first % width == 0 && count % width == 0,
             std::to_string(count) + " weights from " + std::to_string(first) + " on");
  const std::byte* bytes = w.row(row) + first / width * size;
  const Index blocks = count / width;
  switch (w.type) {
    case WeightType::f32:
      return expand_blocks<float>(bytes, blocks, width, out.data());
    case WeightType::f16:
      return expand_blocks<f16>(bytes, blocks, width, out.data());
    case WeightType::bf16:
      return expand_blocks<bf16>(bytes, blocks, width, out.data());
    case WeightType::q8_0:
      return expand_blocks<BlockQ8_0>(bytes, blocks, width, out.data());
    case WeightType::q4_0:
      return expand_blocks<BlockQ4_0>(bytes, blocks, width, out.data());
    case WeightType::q4_1:
      return expand_blocks<BlockQ4_1>(bytes, blocks, width, out.data());
    case WeightType::q5_0:
      return expand_blocks<BlockQ5_0>(bytes, blocks, width, out.data());
    case WeightType::q5_1:
      return expand_blocks<BlockQ5_1>(bytes, blocks, width, out.data());
    case WeightType::q4_k:
      return expand_blocks<BlockQ4_K>(bytes, blocks, width, out.data());
    case WeightType::q5_k:
      return expand_blocks<BlockQ5_K>(bytes, blocks, width, out.data());
    case WeightType::q6_k:
      return expand_blocks<BlockQ6_K>(bytes, blocks, width, out.data());
  }
}

}  // namespace pith
