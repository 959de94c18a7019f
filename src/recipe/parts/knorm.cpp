// knorm: keys of small norm receive much attention. s_j = -||k_j||.

#include <cmath>

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments&, Index layer, std::span<std::vector<float>> lanes) {
  const Index depth = scene.shape().head_dim;
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const std::vector<float> keys = scene.keys(scene.shape().lane(layer, head));
    for (std::size_t j = 0; j < lanes[head].size(); ++j) {
      const float* key = keys.data() + static_cast<Index>(j) * depth;
      lanes[head][j] = -std::sqrt(dot(key, key, depth));
    }
  }
}

}  // namespace

PartInfo knorm_part() {
  return {.name = "knorm",
          .kind = PartKind::scorer,
          .summary = "minus the norm of the key: small keys receive much attention",
          .source = "K-norm, arXiv 2406.11430",
          .cost = Cost::keys,
          .score = score};
}

}  // namespace pith::recipe
