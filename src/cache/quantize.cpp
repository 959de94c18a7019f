#include "cache/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace pith::cache {
namespace {

// Parts of [min, max] that codes may cover. Numbers of few bits win by cutting the tails off; at 8
// bits the whole interval is best, and a little more where rounding moved its ends.
constexpr std::array<float, 5> kFewBits = {1.0f, 0.92f, 0.84f, 0.75f, 0.65f};
constexpr std::array<float, 2> kManyBits = {1.0f, 1.008f};

Interval interval(float low, float high, float part, float most) {
  const float middle = 0.5f * low + 0.5f * high, width = part * (high - low);
  const float scale = to_float(to_bf16(width / most));
  return {scale, to_float(to_bf16(middle - 0.5f * width)), scale > 0 ? 1 / scale : 0, most};
}

float squared_error(const Interval& grid, const float* x, Index n) {
  constexpr Index kParts = 8;  // partial sums, so that compilers vectorise
  float part[kParts] = {};
  const auto error = [&](float number) {
    const float e = number - grid.number(grid.code(number));
    return e * e;
  };
  Index i = 0;
  for (; i + kParts <= n; i += kParts)
    for (Index k = 0; k < kParts; ++k) part[k] += error(x[i + k]);
  float sum = 0;
  for (; i < n; ++i) sum += error(x[i]);
  for (float p : part) sum += p;
  return sum;
}

Grid quantize_e4m3(const float* x, Index n, std::uint8_t* codes) {
  float most = 0;
  for (Index i = 0; i < n; ++i) most = std::max(most, std::abs(x[i]));
  const Grid grid{to_bf16(most / kMostE4m3), {}};
  const float scale = to_float(grid.scale), inverse = scale > 0 ? 1 / scale : 0;
  for (Index i = 0; i < n; ++i) codes[i] = static_cast<std::uint8_t>(to_e4m3(x[i] * inverse));
  return grid;
}

}  // namespace

Interval choose_interval(Packing packing, const float* x, Index n) {
  const Index bits = packing_bits(packing);
  const auto most = static_cast<float>((1 << bits) - 1);
  float low = x[0], high = x[0];
  for (Index i = 1; i < n; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  const std::span<const float> parts =
      bits == 8 ? std::span<const float>(kManyBits) : std::span<const float>(kFewBits);
  Interval best = interval(low, high, parts[0], most);
  float least = squared_error(best, x, n);
  for (const float part : parts.subspan(1)) {
    const Interval tried = interval(low, high, part, most);
    const float error = squared_error(tried, x, n);
    if (!(error < least)) continue;
    least = error;
    best = tried;
  }
  return best;
}

Grid quantize(Packing packing, const float* x, Index n, std::uint8_t* codes) {
  if (packing == Packing::e4m3) return quantize_e4m3(x, n, codes);
  const Interval best = choose_interval(packing, x, n);
  for (Index i = 0; i < n; ++i) codes[i] = static_cast<std::uint8_t>(best.code(x[i]));
  return best.grid();
}

}  // namespace pith::cache
