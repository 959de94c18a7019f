// adakv: the heads of a layer compete for the layer's entries; each is sure of a part of its share.

#include "recipe/parts/parts.h"
#include "recipe/select.h"

namespace pith::recipe {
namespace {

Selection allocate(const Scene& scene, const Arguments& arguments, const Scores& scores) {
  Selection selection;
  selection.keep.resize(scores.lanes.size());
  const Index heads = scene.shape().kv_heads;
  const double floor = arguments.real("floor");
  for (Index layer : scene.layers()) {
    std::vector<Index> lanes, sure;
    Index total = 0;
    for (Index lane = layer * heads; lane < (layer + 1) * heads; ++lane) {
      const Index share = scene.room().lane[lane];
      lanes.push_back(lane);
      total += share;
      const Index safe = static_cast<Index>(static_cast<double>(share) * floor);
      sure.push_back(floor > 0 && share > 0 ? std::max<Index>(safe, 1) : 0);
    }
    best_jointly(scores, lanes, total, sure, selection);
  }
  return selection;
}

}  // namespace

PartInfo adakv_part() {
  return {.name = "adakv",
          .kind = PartKind::allocator,
          .summary = "the heads of a layer compete; layers keep equally many",
          .source = "Ada-KV, arXiv 2407.11550",
          .cost = Cost::columns,
          .parameters = {real("floor", "0.2", 0, 1,
                              "part of its equal share that each head is sure of (at least one "
                              "entry; with 0 a head may keep nothing)")},
          .allocate = allocate,
          .nested = true,
          .fills_tiles = true};
}

}  // namespace pith::recipe
