// keep_all: nothing is evicted. For stages that change the format only, such as "int4".

#include <numeric>

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

Selection allocate(const Scene& scene, const Arguments&, const Scores& scores) {
  Selection selection;
  selection.keep.resize(scores.lanes.size());
  for (Index lane : scene.lanes()) {
    auto& keep = selection.keep[lane];
    keep.resize(static_cast<std::size_t>(scene.size(lane)));
    std::iota(keep.begin(), keep.end(), 0);
  }
  return selection;
}

}  // namespace

PartInfo keep_all_part() {
  return {.name = "keep_all",
          .kind = PartKind::allocator,
          .summary = "nothing is evicted; what a stage of a format alone uses",
          .source = "plain quantisation of the cache",
          .cost = Cost::columns,
          .allocate = allocate,
          .needs_scorer = [](const Arguments&) { return false; },
          .sizes_itself = true};
}

}  // namespace pith::recipe
