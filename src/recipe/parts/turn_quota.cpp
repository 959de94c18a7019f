// turn_quota: every turn of a conversation keeps its best few source tokens, or what stands for
// them, in all lanes (S2's minimum per turn). What is left competes as before.

#include <algorithm>
#include <numeric>

#include "recipe/parts/parts.h"
#include "recipe/units.h"

namespace pith::recipe {
namespace {

void adjust(const Scene& scene, const Arguments& arguments, Scores& scores) {
  const auto& starts = scene.signals().turn_starts;
  const Units units = make_units(scene);
  const std::vector<float> score = unit_scores(scene, units, scores);
  std::vector<std::int32_t> order(score.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return score[a] != score[b] ? score[a] > score[b] : a > b;
  });
  std::vector<Index> taken(starts.size() + 1);
  std::vector<bool> forced(score.size());
  for (const std::int32_t unit : order) {
    const auto turn =
        std::upper_bound(starts.begin(), starts.end(), units.spans[unit].begin) - starts.begin();
    if (turn == 0 || score[unit] == kNever || taken[turn] >= arguments.integer("entries")) continue;
    ++taken[turn];
    forced[unit] = true;
  }
  for (const Index lane : scene.lanes())
    for (Index j = 0; j < scene.size(lane); ++j)
      if (float& s = scores.lanes[lane][j]; forced[units.of_entry[lane][j]] && s != kNever)
        s = std::max(s, kForced);
}

}  // namespace

PartInfo turn_quota_part() {
  return {.name = "turn_quota",
          .kind = PartKind::adjuster,
          .summary = "every turn of a conversation is sure of its best few tokens",
          .source = "Kalugotla 2026 (S2, bearing-research): at least two a turn",
          .cost = Cost::columns,
          .parameters = {integer("entries", "2", 1, 65536, "of each turn")},
          .needs = [](const Arguments&) { return SignalNeeds{.turns = true}; },
          .adjust = adjust};
}

}  // namespace pith::recipe
