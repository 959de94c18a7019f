#include "eval/report/fate.h"

#include <algorithm>

namespace pith::eval {

std::string_view to_string(Fate fate) {
  switch (fate) {
    case Fate::unrecorded:
      return "unrecorded";
    case Fate::absent:
      return "absent";
    case Fate::erased:
      return "erased";
    case Fate::summarised:
      return "summarised";
    case Fate::partly:
      return "partly";
    case Fate::kept:
      return "kept";
  }
  return "";
}

Fate fate_of(const Prediction& prediction) {
  if (!prediction.answer_source) return Fate::unrecorded;
  Fate fate = Fate::absent;
  // The worse of answer and support: an answer whose earlier hop is gone cannot be found.
  const auto worsen = [&](Fate other) {
    fate = fate == Fate::absent ? other : std::min(fate, other);
  };
  for (const auto& source : {prediction.answer_source, prediction.support_source}) {
    if (!source || source->tokens == 0) continue;
    if (source->evicted > 0)
      worsen(Fate::erased);
    else if (source->in_summaries > 0)
      worsen(Fate::summarised);
    else
      worsen(source->kept < kMostlyKept ? Fate::partly : Fate::kept);
  }
  return fate;
}

}  // namespace pith::eval
