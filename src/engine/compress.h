// From recipe to smaller cache: carries out a recipe's stages on a context. The signals that they
// look at were collected before (reading.h).
#pragma once

#include <string>

#include "engine/context.h"
#include "recipe/recipe.h"
#include "recipe/signals.h"

namespace pith {

struct CompressionReport {
  Index entries_before = 0, entries_after = 0;
  Index bytes_before = 0, bytes_after = 0;
  Index full_bytes = 0;  // the full bf16 cache of the same tokens
  Index cold_bytes = 0;  // of a whole cache that is kept aside for later (rerouting.h)
  double seconds =
      0;  // planning and applying; the replay, shared by all recipes of one read, is in ReadTimes
  std::string note;  // for people: an optimisation that came to nothing; mostly empty
  double ratio() const {
    return bytes_after > 0 ? static_cast<double>(full_bytes) / static_cast<double>(bytes_after) : 0;
  }
};

// Throws bad_recipe for a recipe that wants to be carried out again while the answer is written:
// only Rerouting (rerouting.h) does that.
void refuse_routing_again(const recipe::Recipe& recipe);

// Carries out all stages of a recipe on a context, unless it wants to route again. `progress` hears
// of stages that run the model.
CompressionReport compress(Context& context, const recipe::Recipe& recipe,
                           const recipe::Signals& signals, const Progress& progress = {});

// The same, whatever the recipe wants later.
CompressionReport compress_once(Context& context, const recipe::Recipe& recipe,
                                const recipe::Signals& signals, const Progress& progress = {});

}  // namespace pith
