// Sharing a number of entries among lanes in proportion to weights. It knows no scores.
#pragma once

#include <span>
#include <vector>

#include "base/types.h"

namespace pith::recipe {

// Whole numbers that sum to min(total, sum of capacity), each at most its capacity, otherwise
// proportional to the weights (largest remainders first, earlier lanes on ties). Weights of 0 get
// something only when nothing else is left to give to.
std::vector<Index> share_by_weight(std::span<const double> weights, std::span<const Index> capacity,
                                   Index total);

}  // namespace pith::recipe
