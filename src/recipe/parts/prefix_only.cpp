// prefix_only: of exact entries nothing stays but the chat template's before the document. What
// stands for the document comes from the realiser.

#include <algorithm>

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

Selection allocate(const Scene& scene, const Arguments& arguments, const Scores& scores) {
  Index last = scene.signals().tokens;
  if (const Index turns = arguments.integer("turns"); turns > 0) {
    const auto& starts = scene.signals().turn_starts;
    last = starts[starts.size() - static_cast<std::size_t>(std::min(turns, std::ssize(starts)))];
  }
  Selection selection;
  selection.keep.resize(scores.lanes.size());
  for (Index lane : scene.lanes())
    for (std::int32_t j = 0; j < scene.size(lane); ++j)
      if (scene.info(lane)[j].span.end <= scene.signals().prefix_tokens ||
          scene.info(lane)[j].span.begin >= last)
        selection.keep[lane].push_back(j);
  return selection;
}

}  // namespace

PartInfo prefix_only_part() {
  return {.name = "prefix_only",
          .kind = PartKind::allocator,
          .summary = "nothing exact stays but the chat template before the document",
          .source = "Kalugotla 2026 (S2, bearing-research): its prefix turn",
          .cost = Cost::columns,
          .parameters = {integer("turns", "0", 0, 65536,
                                 "newest turns of a conversation that stay, too")},
          .needs = [](const Arguments& a) { return SignalNeeds{.turns = a.integer("turns") > 0}; },
          .allocate = allocate,
          .ignores_budget = true,
          .needs_scorer = [](const Arguments&) { return false; },
          .sizes_itself = true};
}

}  // namespace pith::recipe
