// pins: entries that must stay: the first ones (attention sinks), the newest, the chat prefix.

#include <algorithm>

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void adjust(const Scene& scene, const Arguments& arguments, Scores& scores) {
  const Index tokens = scene.signals().tokens;
  Index recent = arguments.integer("recent");
  if (const Index turns = arguments.integer("turns"); turns > 0) {
    const auto& starts = scene.signals().turn_starts;
    recent = std::max(
        recent,
        tokens -
            starts[starts.size() - static_cast<std::size_t>(std::min(turns, std::ssize(starts)))]);
  }
  const Index first = std::max(arguments.integer("sinks"),
                               arguments.flag("prefix") ? scene.signals().prefix_tokens : 0);
  for (Index lane : scene.lanes()) {
    const auto info = scene.info(lane);
    for (std::size_t j = 0; j < info.size(); ++j)
      if (info[j].span.begin < first || info[j].span.end > tokens - recent)
        scores.lanes[lane][j] = kPinned;
  }
}

}  // namespace

PartInfo pins_part() {
  return {.name = "pins",
          .kind = PartKind::adjuster,
          .summary = "entries that must stay; a budget that cannot hold them is refused",
          .source = "StreamingLLM, arXiv 2309.17453 (sinks); Pitfalls, arXiv 2510.00231 (prefix)",
          .cost = Cost::columns,
          .parameters = {integer("sinks", "4", 0, 65536, "first tokens"),
                         integer("recent", "0", 0, 65536, "newest tokens"),
                         integer("turns", "0", 0, 65536, "newest turns of a conversation"),
                         flag("prefix", "false",
                              "the chat template and system prompt before the document")},
          .needs = [](const Arguments& a) { return SignalNeeds{.turns = a.integer("turns") > 0}; },
          .adjust = adjust};
}

}  // namespace pith::recipe
