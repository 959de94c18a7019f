// rerotate: survivors close up: keys are rotated to consecutive positions. Attention depends on
// differences of positions only, so ending right before the next token is the same as starting at
// 0 and going on at n, and leaves the next token where it is.

#include <algorithm>

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void realise(const Scene& scene, const Arguments& arguments, const Scores&, cache::Plan& plan) {
  for (Index lane : scene.lanes()) {
    cache::LanePlan& own = plan.lanes[lane];
    const Index n = std::ssize(own.keep);
    const Index first = arguments.choice("to") == "end" ? scene.signals().next_position - n : 0;
    own.move_to.resize(own.keep.size());
    Index rank = 0;
    for (std::int32_t j : scene.by_position(lane)) {
      const auto found = std::lower_bound(own.keep.begin(), own.keep.end(), j);
      if (found != own.keep.end() && *found == j)
        own.move_to[found - own.keep.begin()] = static_cast<float>(first + rank++);
    }
  }
}

}  // namespace

PartInfo rerotate_part() {
  return {.name = "rerotate",
          .kind = PartKind::realiser,
          .summary = "survivors close up to consecutive positions",
          .source = "StreamingLLM, arXiv 2309.17453; FINCH; kvpress KeyRerotationPress",
          .cost = Cost::keys,
          .parameters = {choice("to", {"end", "start"},
                                "end: they end right before the next token; start: they begin at 0 "
                                "as in kvpress, and the gap before the next token stays")},
          .realise = realise};
}

}  // namespace pith::recipe
