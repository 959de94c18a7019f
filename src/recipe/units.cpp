#include "recipe/units.h"

#include <algorithm>
#include <cmath>

namespace pith::recipe {

Units make_units(const Scene& scene) {
  Units units;
  for (Index lane : scene.lanes())
    for (const cache::EntryInfo& entry : scene.info(lane)) units.spans.push_back(entry.span);
  std::sort(units.spans.begin(), units.spans.end());
  units.spans.erase(std::unique(units.spans.begin(), units.spans.end()), units.spans.end());
  units.lanes.assign(units.spans.size(), 0);
  units.of_entry.resize(static_cast<std::size_t>(scene.shape().lanes()));
  for (Index lane : scene.lanes()) {
    for (const cache::EntryInfo& entry : scene.info(lane)) {
      const auto found = std::lower_bound(units.spans.begin(), units.spans.end(), entry.span);
      units.of_entry[lane].push_back(static_cast<std::int32_t>(found - units.spans.begin()));
      ++units.lanes[units.of_entry[lane].back()];
    }
  }
  return units;
}

std::vector<float> unit_scores(const Scene& scene, const Units& units, const Scores& scores) {
  const auto computed = [](float s) { return std::abs(s) < kForced; };
  std::vector<double> sums(units.spans.size());
  std::vector<float> ruling(units.spans.size(), kNever);  // the highest score that is not computed
  std::vector<bool> judged(units.spans.size());
  const Index heads = scene.shape().kv_heads;
  for (Index layer : scene.layers()) {
    double total = 0;
    for (Index lane = layer * heads; lane < (layer + 1) * heads; ++lane)
      for (float s : scores.lanes[lane])
        if (computed(s)) total += std::abs(s);
    for (Index lane = layer * heads; lane < (layer + 1) * heads; ++lane) {
      for (Index j = 0; j < scene.size(lane); ++j) {
        const float s = scores.lanes[lane][j];
        const std::int32_t unit = units.of_entry[lane][j];
        if (!computed(s)) {
          ruling[unit] = std::max(ruling[unit], s);
        } else {
          judged[unit] = true;
          if (total > 0) sums[unit] += s / total;
        }
      }
    }
  }
  std::vector<float> out(units.spans.size());
  for (std::size_t u = 0; u < out.size(); ++u)
    out[u] = ruling[u] >= kForced || !judged[u] ? ruling[u] : static_cast<float>(sums[u]);
  return out;
}

}  // namespace pith::recipe
