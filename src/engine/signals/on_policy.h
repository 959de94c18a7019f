// Fits a stage in blocks of layers, from the lowest up: the references of each block are read anew
// through the layers below it as they will be once compressed, so that a layer is fitted to the
// queries that it will meet ("on-policy", Attention Matching, arXiv 2602.16284). What is kept does
// not change. It costs one more replay for each block but the first.
#pragma once

#include "engine/context.h"
#include "recipe/recipe.h"
#include "recipe/signals.h"

namespace pith {

cache::Plan plan_on_policy(const Context& context, const recipe::Recipe& recipe, Index stage,
                           const recipe::Signals& signals, recipe::ModelAccess* model);

}  // namespace pith
