// tova: attention of the last token, averaged over all query heads (defensive: the largest); all
// heads keep the same set.

#include <algorithm>

#include "recipe/parts/parts.h"
#include "recipe/window_attention.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments&, Index layer, std::span<std::vector<float>> lanes) {
  const Index heads = scene.shape().kv_heads;
  // Lanes of a second stage may differ: heads are taken together per source token.
  std::vector<float> together(static_cast<std::size_t>(scene.signals().tokens));
  for (Index head = 0; head < heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    const auto info = scene.info(lane);
    group_score(scene, attention_columns(scene, lane, window_probe(scene, layer, 1)), lanes[head]);
    for (std::size_t j = 0; j < info.size(); ++j)
      for (Index t = info[j].span.begin; t < info[j].span.end; ++t)
        together[t] = scene.worst_case() ? std::max(together[t], lanes[head][j])
                                         : together[t] + lanes[head][j] / static_cast<float>(heads);
  }
  for (Index head = 0; head < heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    lanes[head] = scene.by_entry(lane, together);
    for (std::size_t j = 0; j < lanes[head].size(); ++j)
      if (scene.info(lane)[j].span.end == scene.signals().tokens) lanes[head][j] = kForced;
  }
}

}  // namespace

PartInfo tova_part() {
  return {.name = "tova",
          .kind = PartKind::scorer,
          .summary = "attention of the last token, mean over all heads; that token itself is kept",
          .source = "TOVA, arXiv 2401.06104",
          .cost = Cost::window,
          .needs = [](const Arguments&) { return SignalNeeds{.window_queries = 1}; },
          .score = score};
}

}  // namespace pith::recipe
