// threshold: whatever scores at least `at` stays, so that the size follows the content. With a
// budget instead, the threshold is the one that meets it: one cut through all scores.

#include "recipe/parts/parts.h"
#include "recipe/select.h"

namespace pith::recipe {
namespace {

Selection allocate(const Scene& scene, const Arguments& arguments, const Scores& scores) {
  Selection selection;
  selection.keep.resize(scores.lanes.size());
  if (scene.room().bounded) {
    const std::vector<Index> none(scene.lanes().size());
    best_jointly(scores, scene.lanes(), scene.room().total, none, selection);
    return selection;
  }
  const auto least = static_cast<float>(arguments.real("at"));
  for (Index lane : scene.lanes())
    for (std::int32_t j = 0; j < std::ssize(scores.lanes[lane]); ++j)
      if (scores.lanes[lane][j] != kNever && scores.lanes[lane][j] >= least)
        selection.keep[lane].push_back(j);
  return selection;
}

}  // namespace

PartInfo threshold_part() {
  return {.name = "threshold",
          .kind = PartKind::allocator,
          .summary = "whatever scores at least a given number stays: the size follows the content",
          .source = "DMS, arXiv 2506.05345; KVzap, arXiv 2601.07891",
          .cost = Cost::columns,
          .parameters = {real("at", "0", -1e6, 1e6,
                              "the least score that stays (kvzap: -4, simlayer: -0.9; protect the "
                              "newest tokens with pins); with a budget it is solved from that and "
                              "must not be given")
                             .without_default()},
          .allocate = allocate,
          .sized_by = "at"};
}

}  // namespace pith::recipe
