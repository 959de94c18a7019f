// expected_attention: the weight that queries of the next n_future positions are expected to give.
// Unrotated queries are taken as Gaussian (mu, Sigma); R is the mean rotation over those positions.
//     z_j = s mu'.k_j + s^2/2 k_j' Sigma' k_j,   mu' = R mu, Sigma' = R Sigma R'
// which is log E[exp(s q.k_j)] of a Gaussian q; s_j = mean over the group of (softmax(z)_j + eps),
// times ||v_j||.

#include <algorithm>
#include <cmath>

#include "recipe/mean_rotation.h"
#include "recipe/parts/parts.h"
#include "recipe/row_kernels.h"

namespace pith::recipe {
namespace {

// z of all n keys for one query head. `covariance` may be null.
void expected_logits(const Scene& scene, const MeanRotation& rotation, const float* mean,
                     const float* covariance, std::span<const float> keys, std::span<float> z) {
  constexpr Index kBlock = 32;
  const Index depth = scene.shape().head_dim, n = std::ssize(z);
  const float scale = scene.signals().attention_scale;
  std::vector<float> mu(mean, mean + depth);
  rotation.apply(mu.data(), 1);
  for (Index j = 0; j < n; ++j) z[j] = scale * dot(mu.data(), keys.data() + j * depth, depth);
  if (covariance == nullptr) return;
  std::vector<float> sigma(covariance, covariance + depth * depth);
  for (Index i = 0; i < depth; ++i) rotation.apply(sigma.data() + i, depth);
  for (Index i = 0; i < depth; ++i) rotation.apply(sigma.data() + i * depth, 1);
  const Panels panels(sigma, depth, depth);
  const Index stride = panels.count * kPanel;
  std::vector<float> product(static_cast<std::size_t>(kBlock * stride));
  for (Index first = 0; first < n; first += kBlock) {
    const Index rows = std::min(kBlock, n - first);
    row_kernels().multiply(keys.data() + first * depth, rows, panels.data.data(), panels.count,
                           depth, product.data(), stride);
    for (Index r = 0; r < rows; ++r)
      z[first + r] += 0.5f * scale * scale *
                      dot(product.data() + r * stride, keys.data() + (first + r) * depth, depth);
  }
}

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const Index depth = scene.shape().head_dim, group = scene.group();
  const LayerSignals& signals = scene.layer(layer);
  const MeanRotation rotation = future_rotation(scene, layer, arguments.integer("n_future"));
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head), n = scene.size(lane);
    const std::vector<float> keys = scene.keys(lane), values = scene.values(lane);
    std::vector<float> z(lanes[head].size()), sum(lanes[head].size()), most(lanes[head].size());
    for (Index g = 0; g < group; ++g) {
      const Index query_head = head * group + g;
      const float* covariance = arguments.flag("cov")
                                    ? signals.query_covariance.data() + query_head * depth * depth
                                    : nullptr;
      expected_logits(scene, rotation, signals.query_mean.data() + query_head * depth, covariance,
                      keys, z);
      for (Index j = 0; j < n; ++j) {
        z[j] += scene.info(lane)[j].log_weight;
        if (scene.info(lane)[j].span.begin < arguments.integer("n_sink")) z[j] = kNever;
      }
      row_kernels().softmax_add(z.data(), n, sum.data());
      for (Index j = 0; j < n; ++j) most[j] = std::max(most[j], z[j]);
    }
    for (Index j = 0; j < n; ++j) {
      const float* value = values.data() + j * depth;
      const float norm = arguments.flag("vnorm") ? std::sqrt(dot(value, value, depth)) : 1.0f;
      const float weight = scene.worst_case() ? most[j] : sum[j] / static_cast<float>(group);
      lanes[head][j] = (weight + static_cast<float>(arguments.real("epsilon"))) * norm;
      if (scene.info(lane)[j].span.begin < arguments.integer("n_sink")) lanes[head][j] = kForced;
    }
  }
}

SignalNeeds needs(const Arguments& arguments) {
  return {.query_moments = true, .moments_skip = arguments.integer("n_sink")};
}

}  // namespace

PartInfo expected_attention_part() {
  return {
      .name = "expected_attention",
      .kind = PartKind::scorer,
      .summary = "the weight that future queries, taken as Gaussian, are expected to give",
      .source = "Expected Attention, arXiv 2510.00636",
      .cost = Cost::moments,
      .parameters =
          {integer("n_future", "512", 1, 65536, "positions ahead over which rotations average"),
           integer("n_sink", "4", 0, 1024, "first tokens: kept, and left out of the statistics"),
           flag("cov", "true", "use the covariance of the queries, not only their mean"),
           flag("vnorm", "true", "multiply by the norm of the value"),
           real("epsilon", "0", 0, 1, "added to the weight before that (0.01 with adakv)")},
      .needs = needs,
      .score = score};
}

}  // namespace pith::recipe
