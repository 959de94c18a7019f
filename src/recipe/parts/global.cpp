// global: one cut through the scores of all layers and heads. Scores must be comparable between
// layers; kvzip's and kvzip_plus' are.

#include "recipe/parts/parts.h"
#include "recipe/select.h"

namespace pith::recipe {
namespace {

Selection allocate(const Scene& scene, const Arguments& arguments, const Scores& scores) {
  Selection selection;
  selection.keep.resize(scores.lanes.size());
  const Index heads = scene.shape().kv_heads;
  const auto cut = [&](std::span<const Index> lanes, Index total) {
    std::vector<Index> sure;
    for (Index lane : lanes)
      sure.push_back(static_cast<Index>(static_cast<double>(scene.room().lane[lane]) *
                                        arguments.real("floor")));
    best_jointly(scores, lanes, total, sure, selection);
  };
  if (arguments.choice("scope") == "all") {
    cut(scene.lanes(), scene.room().total);
    return selection;
  }
  selection.dictated = scene.room().removed.has_value();  // the rounding of each layer
  for (Index layer : scene.layers()) {
    std::vector<Index> lanes;
    Index total = 0, all = 0;
    for (Index lane = layer * heads; lane < (layer + 1) * heads; ++lane) {
      lanes.push_back(lane);
      total += scene.room().lane[lane];
      all += scene.size(lane);
    }
    if (const auto removed = scene.room().removed)  // int(all * removed) go, as in kvpress
      total = std::max(total, all - static_cast<Index>(static_cast<double>(all) * *removed));
    cut(lanes, total);
  }
  return selection;
}

}  // namespace

PartInfo global_part() {
  return {
      .name = "global",
      .kind = PartKind::allocator,
      .summary = "one cut through the scores of all layers and heads",
      .source = "KVzip, arXiv 2505.23416; LayerDefensiveKV, arXiv 2510.13334",
      .cost = Cost::columns,
      .parameters = {choice("scope", {"all", "layer"},
                            "what competes: everything, or each layer alone"),
                     real("floor", "0", 0, 1, "part of its equal share that each lane is sure of")},
      .allocate = allocate,
      .nested = true,
      .fills_tiles = true};
}

}  // namespace pith::recipe
