// From a caller's OnProgress to what the engine calls.
#pragma once

#include "base/error.h"
#include "engine/context.h"
#include "pith/progress.h"

namespace pithkv {

// Lives no longer than `tell`. Throws cancelled from within the work where that returns false.
inline pith::Progress progress_of(const OnProgress& tell, std::string_view what) {
  if (!tell) return {};
  return [&tell, what](pith::Index done, pith::Index all) {
    if (!tell(what, done, all))
      pith::fail(ErrorCode::cancelled, "stopped on request, by on_progress");
  };
}

}  // namespace pithkv
