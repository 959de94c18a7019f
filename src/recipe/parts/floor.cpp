// floor: every lane keeps its best few entries, whatever the competition between lanes says; the
// others pay for it. A lane that holds nothing cannot pass anything on.

#include <algorithm>

#include "recipe/parts/parts.h"
#include "recipe/select.h"

namespace pith::recipe {
namespace {

void adjust(const Scene& scene, const Arguments& arguments, Scores& scores) {
  for (Index lane : scene.lanes()) {
    Index count = arguments.integer("entries");
    count = std::min(count, scene.share(lane, count));
    auto& own = scores.lanes[lane];
    for (std::int32_t j : best_entries(own, count)) own[j] = std::max(own[j], kForced);
  }
}

}  // namespace

PartInfo floor_part() {
  return {.name = "floor",
          .kind = PartKind::adjuster,
          .summary = "every lane is sure of its best few entries",
          .source = "VariKV's floor against starved heads (as pith understands it)",
          .cost = Cost::columns,
          .parameters = {integer("entries", "8", 0, 65536,
                                 "entries of each lane, at most its equal share")},
          .adjust = adjust};
}

}  // namespace pith::recipe
