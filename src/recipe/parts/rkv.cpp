// rkv: important to the last queries and unlike other keys. Importance: attention of the last
// `window` queries, maximum over the group, widened to the largest of 7 neighbours, mean over the
// queries (defensive: maximum). Redundancy: softmax of the mean cosine to the lane's other keys;
// only similarities above 1/2 count, and of those that a key is similar to, the newest is exempt.
//     s = weight * importance - (1 - weight) * redundancy

#include <algorithm>
#include <cmath>

#include "recipe/parts/parts.h"
#include "recipe/row_kernels.h"
#include "recipe/smoothing.h"
#include "recipe/window_attention.h"

namespace pith::recipe {
namespace {

// [n], summing to 1; `order` are the entries by position.
std::vector<float> redundancy(std::span<const float> keys, Index depth,
                              std::span<const std::int32_t> order) {
  constexpr Index kBlock = 16;
  constexpr float kSimilar = 0.5f;
  const Index n = std::ssize(order);
  std::vector<float> unit;
  for (std::int32_t j : order) {
    const float* key = keys.data() + j * depth;
    const float norm = std::max(std::sqrt(dot(key, key, depth)), 1e-12f);
    for (Index i = 0; i < depth; ++i) unit.push_back(key[i] / norm);
  }
  const Panels panels(unit, n, depth);
  const Index stride = panels.count * kPanel;
  std::vector<float> cosines(static_cast<std::size_t>(kBlock * stride)),
      sum(static_cast<std::size_t>(n));
  for (Index first = 0; first < n; first += kBlock) {
    const Index rows = std::min(kBlock, n - first);
    row_kernels().multiply(&unit[first * depth], rows, panels.data.data(), panels.count, depth,
                           cosines.data(), stride);
    for (Index r = 0; r < rows; ++r) {
      float* line = cosines.data() + r * stride;
      line[first + r] = 0;
      Index newest = n - 1;
      while (newest > 0 && line[newest] < kSimilar) --newest;
      line[newest] = 0;
      for (Index j = 0; j < n; ++j) sum[j] += line[j] >= kSimilar ? line[j] : 0.0f;
    }
  }
  std::vector<float> mean(sum.size()), weights(sum.size()), out(sum.size());
  for (Index j = 0; j < n; ++j) mean[j] = sum[j] / static_cast<float>(n);
  row_kernels().softmax_add(mean.data(), n, weights.data());
  for (Index j = 0; j < n; ++j) out[order[j]] = weights[j];
  return out;
}

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const Index window = arguments.integer("window");
  const auto weight = static_cast<float>(arguments.real("weight"));
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head), n = scene.size(lane);
    const std::vector<std::int32_t> order = scene.by_position(lane);
    const Probe probe = window_probe(scene, layer, window);
    std::vector<float> most(static_cast<std::size_t>(probe.rows * n)),
        importance(static_cast<std::size_t>(n));
    visit_attention(scene, lane, probe, [&](Index, Index row, std::span<const float> weights) {
      for (Index j = 0; j < n; ++j)
        most[row * n + j] = std::max(most[row * n + j], weights[order[j]]);
    });
    std::vector<float> widened(static_cast<std::size_t>(n));
    for (Index row = 0; row < probe.rows; ++row) {
      smooth_max(std::span(most).subspan(static_cast<std::size_t>(row * n), widened.size()),
                 arguments.integer("kernel"), widened);
      for (Index j = 0; j < n; ++j) {
        float& total = importance[order[j]];
        total = scene.worst_case() ? std::max(total, widened[j])
                                   : total + widened[j] / static_cast<float>(probe.rows);
      }
    }
    const auto alike = redundancy(scene.keys(lane), scene.shape().head_dim, order);
    for (Index j = 0; j < n; ++j)
      lanes[head][j] = scene.info(lane)[j].span.end > scene.signals().tokens - window
                           ? kForced
                           : weight * importance[j] - (1 - weight) * alike[j];
  }
}

}  // namespace

PartInfo rkv_part() {
  return {.name = "rkv",
          .kind = PartKind::scorer,
          .summary = "attended by the last queries and unlike other keys; the window is kept",
          .source = "R-KV, arXiv 2505.24133",
          .cost = Cost::moments,
          .parameters = {integer("window", "8", 1, 4096, "last queries that look; kept themselves"),
                         real("weight", "0.07", 0, 1, "of importance; the rest is redundancy's"),
                         integer("kernel", "7", 1, 63, "width of the moving maximum, odd")},
          .needs = window_needs,
          .score = score,
          .refuses = refuse_even_kernel};
}

}  // namespace pith::recipe
