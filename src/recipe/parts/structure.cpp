// structure: punctuation and blanks that occur often, and not inside a word or number, count less:
// separators of lists and tables predict each other, yet a replay gives them much of the room.

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void adjust(const Scene& scene, const Arguments& arguments, Scores& scores) {
  const auto& count = scene.signals().structure;
  const auto factor = static_cast<float>(arguments.real("factor"));
  for (Index lane : scene.lanes()) {
    const auto info = scene.info(lane);
    for (std::size_t j = 0; j < info.size(); ++j) {
      float& s = scores.lanes[lane][j];
      const bool one_token = info[j].span.end == info[j].span.begin + 1;
      if (one_token && count[info[j].span.begin] >= arguments.integer("times") && !is_protected(s))
        s = weighted(s, factor);
    }
  }
}

}  // namespace

PartInfo structure_part() {
  return {.name = "structure",
          .kind = PartKind::adjuster,
          .summary = "frequent punctuation and blanks outside words and numbers count less",
          .source = "structure demotion of RestoreKV+, kvpress issue 288",
          .cost = Cost::columns,
          .parameters = {real("factor", "0.3", 0.001, 1, "their scores are multiplied by this"),
                         integer("times", "8", 1, 65536, "how often a token must occur so")},
          .needs = [](const Arguments&) { return SignalNeeds{.structure = true}; },
          .adjust = adjust};
}

}  // namespace pith::recipe
