// csa: lanes keep in proportion to how widely their queries spread: the effective number of keys,
// exp(entropy of an attention row), averaged when the model was calibrated. S0's sister result
// found such a static rule as good as a learned router; there it masks reads, here it evicts.

#include <algorithm>

#include "recipe/parts/parts.h"
#include "recipe/select.h"
#include "recipe/share.h"

namespace pith::recipe {
namespace {

Selection allocate(const Scene& scene, const Arguments&, const Scores& scores) {
  std::vector<double> weights;
  std::vector<Index> room;
  Index left = scene.room().total;
  std::vector<Index> sizes;  // one each as far as that goes: k = clamp(share, 1, n)
  for (Index lane : scene.lanes()) {
    const Index one = std::min<Index>({left, 1, scene.size(lane)});
    sizes.push_back(one);
    left -= one;
    weights.push_back(scene.signals().diffuseness[lane]);
    room.push_back(scene.size(lane) - one);
  }
  const std::vector<Index> more = share_by_weight(weights, room, left);
  Selection selection;
  selection.keep.resize(scores.lanes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i)
    selection.keep[scene.lanes()[i]] =
        best_entries(scores.lanes[scene.lanes()[i]], sizes[i] + more[i]);
  return selection;
}

}  // namespace

PartInfo csa_part() {
  return {.name = "csa",
          .kind = PartKind::allocator,
          .summary =
              "lanes keep in proportion to how widely their attention spread when the model "
              "was calibrated",
          .source = "Calibrated Sparse Attention (Normore); the formula is pith's",
          .cost = Cost::columns,
          .needs = [](const Arguments&) { return SignalNeeds{.diffuseness = true}; },
          .allocate = allocate};
}

}  // namespace pith::recipe
