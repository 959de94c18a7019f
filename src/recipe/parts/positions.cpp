// positions: one set of source tokens for all lanes, chosen by the scores of all layers together.

#include "recipe/parts/parts.h"
#include "recipe/units.h"

#include <algorithm>
#include <numeric>

namespace pith::recipe {
namespace {

Selection allocate(const Scene& scene, const Arguments&, const Scores& scores) {
  const Units units = make_units(scene);
  const std::vector<float> score = unit_scores(scene, units, scores);
  std::vector<std::int32_t> order(score.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return score[a] != score[b] ? score[a] > score[b] : a > b;
  });
  Index room = scene.room().total;
  std::vector<bool> chosen(score.size());
  for (std::int32_t unit : order) {
    if (score[unit] == kNever || units.lanes[unit] > room) break;
    room -= units.lanes[unit];
    chosen[unit] = true;
  }
  Selection selection;
  selection.keep.resize(scores.lanes.size());
  for (Index lane : scene.lanes())
    for (std::int32_t j = 0; j < scene.size(lane); ++j)
      if (chosen[units.of_entry[lane][j]]) selection.keep[lane].push_back(j);
  return selection;
}

}  // namespace

PartInfo positions_part() {
  return {
      .name = "positions",
      .kind = PartKind::allocator,
      .summary = "one set of source tokens for all lanes (scores L1-normalised per layer, summed)",
      .source = "Kalugotla 2026 (S2, bearing-research)",
      .cost = Cost::columns,
      .allocate = allocate,
      .owns_choice = true};
}

}  // namespace pith::recipe
