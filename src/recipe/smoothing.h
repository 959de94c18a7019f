// Moving averages along the context, which several scorers share. They know no positions.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>

#include "base/types.h"
#include "recipe/registry.h"

namespace pith::recipe {

// Moving average whose zero padding counts in the divisor, so that both ends are damped.
inline void smooth(std::span<const float> x, Index kernel, std::span<float> out) {
  const Index n = static_cast<Index>(x.size()), half = kernel / 2;
  for (Index j = 0; j < n; ++j) {
    float sum = 0;
    for (Index i = std::max<Index>(j - half, 0); i <= std::min(j + half, n - 1); ++i) sum += x[i];
    out[j] = sum / static_cast<float>(kernel);
  }
}

// Moving maximum.
inline void smooth_max(std::span<const float> x, Index kernel, std::span<float> out) {
  const Index n = static_cast<Index>(x.size()), half = kernel / 2;
  for (Index j = 0; j < n; ++j) {
    out[j] = x[j];
    for (Index i = std::max<Index>(j - half, 0); i <= std::min(j + half, n - 1); ++i)
      out[j] = std::max(out[j], x[i]);
  }
}

// For the `refuses` of parts with a parameter "kernel": the width of either, which has a middle.
inline std::string_view refuse_even_kernel(const Arguments& arguments) {
  return arguments.integer("kernel") % 2 == 0 ? "kernel must be odd" : "";
}

}  // namespace pith::recipe
