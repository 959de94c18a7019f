// Choosing the best by score: within a lane, and over several lanes together. It knows no budget.
#pragma once

#include <span>
#include <vector>

#include "recipe/scene.h"

namespace pith::recipe {

// The `count` best entries, ascending. Of equal scores the later entry wins; kNever is never taken.
std::vector<std::int32_t> best_entries(std::span<const float> scores, Index count);  // [n]

// The `total` best entries of several lanes together, of which each lane is sure of its best
// `sure[i]` (AdaKV's safeguard). Fills selection.keep and .sure of
// these lanes.
void best_jointly(const Scores& scores, std::span<const Index> lanes, Index total,
                  std::span<const Index> sure, Selection& selection);

}  // namespace pith::recipe
