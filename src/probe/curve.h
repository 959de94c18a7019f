// Curves over the compression ratio: how fast a rate rises, and where its cliff is. Pure
// arithmetic.
#pragma once

#include <span>
#include <vector>

#include "base/types.h"

namespace pith::probe {

// chi = d rate / d ratio between neighbours of a grid (S1, arXiv 2603.01426: of the hallucination
// rate; it "peaks sharply near 0.9").
struct Susceptibility {
  std::vector<double> at, chi;   // [points - 1] midpoints of the ratios, and the slopes
  double peak_at = 0, peak = 0;  // the largest slope; the first of equals
};
// Ratios ascend strictly. Empty for fewer than two points.
Susceptibility susceptibility(std::span<const double> ratios, std::span<const double> rates);

// Where a rate leaves 0 and where it reaches one half, by straight lines between the points; nan
// where it does not.
struct Cliff {
  double begins = 0;  // the last ratio before the rate is above 0 for good
  double half = 0;    // the first ratio at which it is 1/2; the first of all where it is more there
  bool from_start = false;       // it is above 0 at every ratio
  bool half_from_start = false;  // it is at least 1/2 at the first ratio
};
Cliff cliff(std::span<const double> ratios, std::span<const double> rates);

}  // namespace pith::probe
