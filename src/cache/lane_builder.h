// Builds the lane that a plan describes, beside the old one. The plan is valid: Cache::apply has
// checked it.
#pragma once

#include <vector>

#include "cache/cache_impl.h"
#include "cache/plan.h"

namespace pith::cache {

Lane build_lane(const Cache::Impl& cache, Index lane, const LanePlan& plan);

// The keys that build_lane() would leave in place of what is kept, as attention reads them: rounded
// to their formats, around the centres of their segments. Its tiles come from a pool of its own.
std::vector<float> planned_keys(const Cache::Impl& cache, Index lane,
                                const LanePlan& plan);  // [keep, D]

}  // namespace pith::cache
