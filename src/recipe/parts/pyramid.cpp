// pyramid: early layers keep more, late ones less, on a line whose mean is the budget.
// With m entries per lane on average: from 2m - m/beta in the first layer to m/beta in the last. A
// lane that has less than its share keeps all, and the others share what is left on the same line.

#include <algorithm>
#include <cmath>

#include "recipe/parts/parts.h"
#include "recipe/select.h"
#include "recipe/share.h"

namespace pith::recipe {
namespace {

// kvpress' rule for a lane of n entries; it is flat unless `min` reaches the window or `max` is
// clipped, and rounds half to even where other presses truncate.
Index kvpress_quota(const Arguments& arguments, double removed, Index n, double step) {
  const double window = static_cast<double>(arguments.integer("window"));
  const double all = static_cast<double>(n), mean = all * (1 - removed);
  double least = mean / arguments.real("beta"), most = mean * 2 - least;
  if (most >= all - window) {
    most = all - window;
    least = mean * 2 - most;
  }
  if (!(all >= most && most >= least && least >= window))
    return static_cast<Index>(std::nearbyint(mean));
  return static_cast<Index>(std::nearbyint(most - step * (most - least)));
}

Selection allocate(const Scene& scene, const Arguments& arguments, const Scores& scores) {
  Selection selection;
  selection.keep.resize(scores.lanes.size());
  selection.dictated = arguments.kvpress_quirk();
  const Room& room = scene.room();
  const Index heads = scene.shape().kv_heads, layers = std::ssize(scene.layers());
  Index total = 0;
  for (Index lane : scene.lanes()) total += room.lane[lane];
  const double mean = static_cast<double>(total) / static_cast<double>(layers * heads);
  const double least = mean / arguments.real("beta"), most = mean * 2 - least;
  std::vector<double> line;
  std::vector<Index> quotas, present;
  for (Index i = 0; i < layers * heads; ++i) {
    const double step =
        layers == 1 ? 0.5 : static_cast<double>(i / heads) / static_cast<double>(layers - 1);
    const Index n = scene.size(scene.lanes()[i]);
    if (selection.dictated) quotas.push_back(kvpress_quota(arguments, *room.removed, n, step));
    line.push_back(most - step * (most - least));
    present.push_back(n);
  }
  if (!selection.dictated) quotas = share_by_weight(line, present, total);
  for (std::size_t i = 0; i < quotas.size(); ++i) {
    const Index lane = scene.lanes()[i];
    selection.keep[lane] = best_entries(scores.lanes[lane], quotas[i]);
  }
  return selection;
}

}  // namespace

PartInfo pyramid_part() {
  return {
      .name = "pyramid",
      .kind = PartKind::allocator,
      .summary = "early layers keep more than late ones, on a straight line",
      .source = "PyramidKV, arXiv 2406.02069",
      .cost = Cost::columns,
      .parameters = {real("beta", "20", 1, 1000, "the last layer keeps 1/beta of the mean"),
                     integer("window", "64", 1, 4096, "the scorer's window; the quirk needs it"),
                     quirk("kvpress keeps all layers equal unless the last one would keep at "
                           "least `window` entries or the first one nearly all, and rounds "
                           "half to even. Without it the pyramid always applies")},
      .allocate = allocate,
      .requires_fraction = [](const Arguments& a) { return a.kvpress_quirk(); }};
}

}  // namespace pith::recipe
