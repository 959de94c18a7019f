// keydiff: keeps the keys that differ most from the rest. s_j = -cos(k_j, mean_i k_i / ||k_i||).

#include <cmath>

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments&, Index layer, std::span<std::vector<float>> lanes) {
  const Index depth = scene.shape().head_dim;
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head), n = scene.size(lane);
    const std::vector<float> keys = scene.keys(lane);
    std::vector<float> norms(lanes[head].size()), anchor(static_cast<std::size_t>(depth));
    for (Index j = 0; j < n; ++j) {
      const float* key = keys.data() + j * depth;
      norms[j] = std::max(std::sqrt(dot(key, key, depth)), 1e-12f);
      for (Index i = 0; i < depth; ++i) anchor[i] += key[i] / norms[j];
    }
    const float length = std::max(std::sqrt(dot(anchor.data(), anchor.data(), depth)), 1e-12f);
    for (Index j = 0; j < n; ++j)
      lanes[head][j] = -dot(keys.data() + j * depth, anchor.data(), depth) / (norms[j] * length);
  }
}

}  // namespace

PartInfo keydiff_part() {
  return {.name = "keydiff",
          .kind = PartKind::scorer,
          .summary = "minus the cosine between the key and the mean direction of all keys",
          .source = "KeyDiff, arXiv 2504.15364",
          .cost = Cost::keys,
          .score = score};
}

}  // namespace pith::recipe
