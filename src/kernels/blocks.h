// The byte layouts of quantised blocks, as ggml defined them and GGUF files hold them.
// It holds no arithmetic: what the fields mean is in dequantize.cpp.
#pragma once

#include <cstdint>

#include "base/numbers.h"

namespace pith {

struct BlockQ8_0 {
  f16 d;
  std::int8_t qs[32];
};

// Of the 4- and 5-bit blocks of 32, byte j of `qs` holds weight j (low) and weight j + 16 (high).
struct BlockQ4_0 {
  f16 d;
  std::uint8_t qs[16];
};

struct BlockQ4_1 {
  f16 d, m;
  std::uint8_t qs[16];
};

struct BlockQ5_0 {
  f16 d;
  std::uint8_t qh[4];  // bit j is the fifth bit of weight j
  std::uint8_t qs[16];
};

struct BlockQ5_1 {
  f16 d, m;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};

// 8 sub-blocks of 32, with 6-bit scales and minima packed into `scales`. Byte j of the c-th 32
// bytes of `qs` holds weight 64c + j (low) and weight 64c + 32 + j (high).
struct BlockQ4_K {
  f16 d, dmin;
  std::uint8_t scales[12];
  std::uint8_t qs[128];
};

struct BlockQ5_K {
  f16 d, dmin;
  std::uint8_t scales[12];
  std::uint8_t qh[32];  // bit s of byte j is the fifth bit of weight 32s + j
  std::uint8_t qs[128];
};

// 16 sub-blocks of 16, in two halves of 128. In a half, `ql` has the low 4 bits (byte j: weights j
// and j + 64), `qh` the high 2 (byte j: weights j, j + 32, j + 64, j + 96).
struct BlockQ6_K {
  std::uint8_t ql[128];
  std::uint8_t qh[64];
  std::int8_t scales[16];
  f16 d;
};

static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20);
static_assert(sizeof(BlockQ5_0) == 22 && sizeof(BlockQ5_1) == 24);
static_assert(sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210);

// Scale and minimum of sub-block s of a Q4_K or Q5_K block, 6 bits each.
struct ScaleMin {
  std::uint8_t scale, min;
};
inline ScaleMin scale_min(const std::uint8_t* scales, int s) {
  const auto low = [](int x) { return static_cast<std::uint8_t>(x); };
  if (s < 4) return {low(scales[s] & 63), low(scales[s + 4] & 63)};
  return {low((scales[s + 4] & 15) | ((scales[s - 4] >> 6) << 4)),
          low((scales[s + 4] >> 4) | ((scales[s] >> 6) << 4))};
}

}  // namespace pith
