// Where the source of an answer went, in one word: the class that the report counts and explains.
// Made from what the runner measured (survival.h); whether the answer was right plays no part.
#pragma once

#include <string_view>

#include "eval/predictions.h"

namespace pith::eval {

enum class Fate {
  unrecorded,  // the run is older than this measurement
  absent,      // the document does not state it: computed answers, system prompts, "I don't know"
  erased,      // some token of the answer or its support is gone from every lane that attends to
               // everything
  summarised,  // none is, but of some token only summaries are left
  partly,      // every token has an exact entry somewhere, fewer than kMostlyKept of the pairs
  kept,        // kMostlyKept of the (lane, token) pairs or more
};
inline constexpr Fate kFates[] = {Fate::unrecorded, Fate::absent, Fate::erased,
                                  Fate::summarised, Fate::partly, Fate::kept};
inline constexpr double kMostlyKept = 0.9;

std::string_view to_string(Fate fate);
Fate fate_of(const Prediction& prediction);

}  // namespace pith::eval
