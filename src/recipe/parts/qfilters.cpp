// qfilters: queries of a head lie in a narrow cone; keys that point along its axis receive
// attention. s = f . k, with f the main right singular vector of the head's queries over generated
// text, calibrated once per model.

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments&, Index layer, std::span<std::vector<float>> lanes) {
  const Index depth = scene.shape().head_dim;
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const std::vector<float> keys = scene.keys(scene.shape().lane(layer, head));
    const float* filter = scene.layer(layer).query_filters.data() + head * depth;
    for (std::size_t j = 0; j < lanes[head].size(); ++j)
      lanes[head][j] = dot(filter, keys.data() + static_cast<Index>(j) * depth, depth);
  }
}

}  // namespace

PartInfo qfilters_part() {
  return {.name = "qfilters",
          .kind = PartKind::scorer,
          .summary = "keys along the main direction of the head's queries (pith calibrate)",
          .source = "Q-Filters, arXiv 2503.02812",
          .cost = Cost::keys,
          .needs = [](const Arguments&) { return SignalNeeds{.query_filters = true}; },
          .score = score};
}

}  // namespace pith::recipe
