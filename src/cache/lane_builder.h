// Builds the lane that a plan describes, beside the old one. The plan is valid: Cache::apply has
// checked it.
#pragma once

#include "cache/cache_impl.h"
#include "cache/plan.h"

namespace pith::cache {

Lane build_lane(const Cache::Impl& cache, Index lane, const LanePlan& plan);

}  // namespace pith::cache
