// curves: each lane keeps what lanes like it kept when kvzip_plus shared one global budget on
// generated text (pith calibrate). A cheap scorer then only chooses within lanes, and needs no
// scores that compare between layers.

#include <algorithm>

#include "recipe/parts/parts.h"
#include "recipe/select.h"
#include "recipe/share.h"

namespace pith::recipe {
namespace {

// The part that a lane keeps when all lanes together keep `kept`: linear between measured points,
// and to nothing and everything beyond them.
double share_at(const BudgetCurves& curves, Index lanes, Index lane, double kept) {
  double left = 0, left_share = 0;
  for (std::size_t g = 0; g <= curves.kept.size(); ++g) {
    const bool end = g == curves.kept.size();
    const double right = end ? 1.0 : double{curves.kept[g]};
    const double share = end ? 1.0 : double{curves.shares[static_cast<Index>(g) * lanes + lane]};
    if (kept <= right)
      return right > left ? left_share + (share - left_share) * (kept - left) / (right - left)
                          : share;
    left = right;
    left_share = share;
  }
  return 1;
}

Selection allocate(const Scene& scene, const Arguments& arguments, const Scores& scores) {
  const double kept = static_cast<double>(scene.room().total) /
                      static_cast<double>(std::max<Index>(scene.present(), 1));
  const double floor = arguments.real("floor");
  std::vector<double> weights;
  std::vector<Index> capacity;
  for (Index lane : scene.lanes()) {
    const double n = static_cast<double>(scene.size(lane));
    const double share = share_at(scene.signals().budget_curves, scene.shape().lanes(), lane, kept);
    weights.push_back(n * std::max(share, floor * kept));
    capacity.push_back(scene.size(lane));
  }
  const std::vector<Index> sizes = share_by_weight(weights, capacity, scene.room().total);
  Selection selection;
  selection.keep.resize(scores.lanes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i)
    selection.keep[scene.lanes()[i]] = best_entries(scores.lanes[scene.lanes()[i]], sizes[i]);
  return selection;
}

}  // namespace

PartInfo curves_part() {
  return {.name = "curves",
          .kind = PartKind::allocator,
          .summary =
              "lanes keep what they kept under kvzip_plus + global when the model was "
              "calibrated",
          .source = "after LU-KV (ICML 2026) and KVzip, arXiv 2505.23416; `pith calibrate`",
          .cost = Cost::columns,
          .parameters = {real("floor", "0", 0, 1,
                              "part of its equal share that each lane is sure "
                              "of")},
          .needs = [](const Arguments&) { return SignalNeeds{.budget_curves = true}; },
          .allocate = allocate,
          .fills_tiles = true};
}

}  // namespace pith::recipe
