// Moving averages along the context, which several scorers share. They know no positions.
#pragma once

#include <algorithm>
#include <span>

#include "base/types.h"

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

}  // namespace pith::recipe
