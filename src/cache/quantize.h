// Rounding of one key or value to codes with a scale and a zero: number = scale * code + zero. It
// knows no tile; where codes lie is kernels/packed_tile.h's business.
#pragma once

#include <cstdint>

#include "base/numbers.h"
#include "kernels/packed_tile.h"

namespace pith::cache {

struct Grid {
  bf16 scale = {}, zero = {};
};

// The codes 0 .. most of an interval, as integers are rounded to them.
struct Interval {
  float scale = 0, zero = 0, inverse = 0, most = 0;
  // The nearest code; that of a NaN is 0.
  float code(float x) const {
    const float t = (x - zero) * inverse + 0.5f;
    const float low = t > 0 ? t : 0;
    return static_cast<float>(static_cast<std::int32_t>(low < most ? low : most));
  }
  float number(float code) const { return scale * code + zero; }
  Grid grid() const { return {to_bf16(scale), to_bf16(zero)}; }
};

// [min, max], or the narrower interval around its middle that leaves the least squared error of a
// few. For integers.
Interval choose_interval(Packing packing, const float* x, Index n);  // [n]

// Integers: every number goes to the nearest code of choose_interval(). e4m3: the largest magnitude
// becomes 480, zero is 0. Numbers that are not finite give codes, but no sense.
Grid quantize(Packing packing, const float* x,  // [n]
              Index n, std::uint8_t* codes);    // [n]

}  // namespace pith::cache
