// capkv: how much a value adds to what the values that queries will look at span. Per query head,
// with the mean query mu of the next n_future positions:
//     w_j = exp(tau (cos(k_j, mu) - max)),  s_j = w_j v_j' (I + sum w v v')^-1 v_j
// which is to first order what entry j adds to log det(I + sum w v v'); mean over the group
// (defensive: maximum).

#include <algorithm>
#include <cmath>

#include "recipe/leverage.h"
#include "recipe/mean_rotation.h"
#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  constexpr float kLeast = 1e-6f;  // of a weight
  const Index depth = scene.shape().head_dim, group = scene.group();
  const auto tau = static_cast<float>(arguments.real("tau"));
  const MeanRotation rotation = future_rotation(scene, layer, arguments.integer("n_future"));
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    const std::vector<float> all_keys = scene.keys(lane), all_values = scene.values(lane);
    std::vector<std::int32_t> members;
    std::vector<float> values;
    for (std::int32_t j = 0; j < scene.size(lane); ++j) {
      lanes[head][j] = kForced;
      if (scene.info(lane)[j].span.begin < arguments.integer("n_sink")) continue;
      lanes[head][j] = 0;
      members.push_back(j);
      values.insert(values.end(), all_values.begin() + j * depth,
                    all_values.begin() + (j + 1) * depth);
    }
    if (members.empty()) continue;
    for (Index g = 0; g < group; ++g) {
      const float* mean = scene.layer(layer).query_mean.data() + (head * group + g) * depth;
      std::vector<float> anchor(mean, mean + depth), weights, raised;
      rotation.apply(anchor.data(), 1);
      const float length = std::max(std::sqrt(dot(anchor.data(), anchor.data(), depth)), 1e-12f);
      for (std::int32_t j : members) {
        const float* key = all_keys.data() + j * depth;
        const float norm = std::max(std::sqrt(dot(key, key, depth)), 1e-12f);
        weights.push_back(tau * dot(key, anchor.data(), depth) / (norm * length));
      }
      const float highest = *std::max_element(weights.begin(), weights.end());
      for (float& w : weights) raised.push_back((w = std::exp(w - highest)) + kLeast);
      const std::vector<float> found = leverage(values, depth, 1.0, raised);
      for (std::size_t i = 0; i < members.size(); ++i) {
        float& total = lanes[head][members[i]];
        const float own = weights[i] * found[i];
        total = scene.worst_case() ? std::max(total, own) : total + own / static_cast<float>(group);
      }
    }
  }
}

}  // namespace

PartInfo capkv_part() {
  return {
      .name = "capkv",
      .kind = PartKind::scorer,
      .summary = "what a value adds to the span of the values that queries will look at",
      .source = "CapKV, arXiv 2604.25975",
      .cost = Cost::moments,
      .parameters = {real("tau", "5", 0, 1000, "how sharply a key must point where queries look"),
                     integer("n_future", "512", 1, 65536,
                             "positions ahead over which rotations average"),
                     integer("n_sink", "4", 0, 1024,
                             "first tokens: kept, and left out of the statistics")},
      .needs =
          [](const Arguments& arguments) {
            return SignalNeeds{.query_means = true, .moments_skip = arguments.integer("n_sink")};
          },
      .score = score};
}

}  // namespace pith::recipe
