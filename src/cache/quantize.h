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

// Integers: codes 0 .. 2^b - 1 over [min, max], or over the narrower interval around its middle
// that leaves the least squared error of a few; every number goes to the nearest code. e4m3: the
// largest magnitude becomes 480, zero is 0. Numbers that are not finite give codes, but no sense.
Grid quantize(Packing packing, const float* x,  // [n]
              Index n, std::uint8_t* codes);    // [n]

}  // namespace pith::cache
