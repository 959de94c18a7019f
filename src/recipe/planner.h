// Planning: from a stage, a cache and its signals to a plan. It changes no cache.
#pragma once

#include "recipe/stage.h"

namespace pith::recipe {

// The scores of a stage: scorer, adjusters, what the allocator prepares. All 0 if the stage has no
// scorer. Throws bad_input if signals are missing or a score is not a number.
Scores score(const Stage& stage, const Scene& scene);

// Throws bad_budget if the budget cannot be met, saying what can, and bad_input as score() does.
cache::Plan make_plan(const Stage& stage, const cache::Cache& cache, const Signals& signals,
                      ThreadPool* pool, ModelAccess* model = nullptr);

// The plan with the lanes of some layers realised anew, for other signals. What they keep stays.
cache::Plan refit_plan(const Stage& stage, const cache::Cache& cache, const Signals& signals,
                       cache::Plan plan, LayerRange layers, ThreadPool* pool);

}  // namespace pith::recipe
