#include "recipe/units.h"

#include <algorithm>
#include <cmath>

namespace pith::recipe {

Units make_units(const Scene& scene) {
  Units units;
  // Lanes of a first stage hold the same spans; a lane like the one before adds nothing to sort.
  std::vector<std::vector<cache::Span>> spans(static_cast<std::size_t>(scene.shape().lanes()));
  const std::vector<cache::Span>* last = nullptr;
  for (Index lane : scene.lanes()) {
    for (const cache::EntryInfo& entry : scene.info(lane)) spans[lane].push_back(entry.span);
    if (last == nullptr || *last != spans[lane])
      units.spans.insert(units.spans.end(), spans[lane].begin(), spans[lane].end());
    last = &spans[lane];
  }
  std::sort(units.spans.begin(), units.spans.end());
  units.spans.erase(std::unique(units.spans.begin(), units.spans.end()), units.spans.end());
  units.lanes.assign(units.spans.size(), 0);
  units.of_entry.resize(spans.size());
  last = nullptr;
  for (Index lane : scene.lanes()) {
    auto& own = units.of_entry[lane];
    if (last != nullptr && *last == spans[lane]) own = units.of_entry[last - spans.data()];
    if (own.size() != spans[lane].size())
      for (const cache::Span span : spans[lane])
        own.push_back(static_cast<std::int32_t>(
            std::lower_bound(units.spans.begin(), units.spans.end(), span) - units.spans.begin()));
    for (std::int32_t unit : own) ++units.lanes[unit];
    last = &spans[lane];
  }
  return units;
}

std::vector<float> unit_scores(const Scene& scene, const Units& units, const Scores& scores) {
  std::vector<double> sums(units.spans.size());
  std::vector<float> ruling(units.spans.size(), kNever);  // the highest score that is not computed
  std::vector<bool> judged(units.spans.size());
  const Index heads = scene.shape().kv_heads;
  for (Index layer : scene.layers()) {
    double total = 0;
    for (Index lane = layer * heads; lane < (layer + 1) * heads; ++lane)
      for (float s : scores.lanes[lane])
        if (is_computed(s)) total += std::abs(s);
    for (Index lane = layer * heads; lane < (layer + 1) * heads; ++lane) {
      for (Index j = 0; j < scene.size(lane); ++j) {
        const float s = scores.lanes[lane][j];
        const std::int32_t unit = units.of_entry[lane][j];
        if (!is_computed(s)) {
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
    out[u] = is_protected(ruling[u]) || !judged[u] ? ruling[u] : static_cast<float>(sums[u]);
  return out;
}

}  // namespace pith::recipe
