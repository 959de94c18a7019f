// uniform: every lane keeps the same share.

#include "recipe/parts/parts.h"
#include "recipe/select.h"

namespace pith::recipe {
namespace {

Selection allocate(const Scene& scene, const Arguments&, const Scores& scores) {
  Selection selection;
  selection.keep.resize(scores.lanes.size());
  selection.dictated = !scores.quota.empty();
  const std::vector<Index>& quota = selection.dictated ? scores.quota : scene.room().lane;
  for (Index lane : scene.lanes())
    selection.keep[lane] = best_entries(scores.lanes[lane], quota[lane]);
  return selection;
}

}  // namespace

PartInfo uniform_part() {
  return {.name = "uniform",
          .kind = PartKind::allocator,
          .summary = "every lane keeps its best entries, all lanes equally many",
          .source = "kvpress ScorerPress",
          .cost = Cost::columns,
          .allocate = allocate,
          .nested = true};
}

}  // namespace pith::recipe
