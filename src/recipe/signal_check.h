// Before a stage is planned: is what it needs there, and for this cache?
#pragma once

#include <string_view>

#include "recipe/stage.h"

namespace pith::recipe {

// Throws bad_input, naming the first signal that is missing or of another size.
void check_signals(const Stage& stage, const cache::Cache& cache, const Signals& signals);
// The same for needs of which a message says whose they are.
void check_signals(const SignalNeeds& needs, std::string_view whose, const cache::Cache& cache,
                   const Signals& signals);

}  // namespace pith::recipe
