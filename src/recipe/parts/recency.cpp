// recency: the newest entries first; with pinned sinks this is StreamingLLM.

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments&, Index layer, std::span<std::vector<float>> lanes) {
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const auto info = scene.info(scene.shape().lane(layer, head));
    for (std::size_t j = 0; j < info.size(); ++j) lanes[head][j] = info[j].position;
  }
}

}  // namespace

PartInfo recency_part() {
  return {.name = "recency",
          .kind = PartKind::scorer,
          .summary = "the entry's position: newest first",
          .source = "StreamingLLM, arXiv 2309.17453 (with pins(sinks=4))",
          .cost = Cost::columns,
          .blind = true,
          .score = score};
}

}  // namespace pith::recipe
