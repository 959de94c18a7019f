#include "recipe/summary_weights.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "recipe/row_kernels.h"

namespace pith::recipe {

std::vector<float> fitted_log_weights(const Scene& scene, Index lane, const References& references,
                                      std::span<const std::vector<std::int32_t>> missing,
                                      std::span<const float> keys) {
  const Index depth = scene.shape().head_dim, n = scene.size(lane), count = std::ssize(missing);
  const Index rows = scene.group() * references.count, head = lane % scene.shape().kv_heads;
  const auto info = scene.info(lane);
  std::vector<float> queries(static_cast<std::size_t>(rows * depth));
  for (Index i = 0; i < rows * depth; ++i)
    queries[i] = references.queries[head * rows * depth + i] * scene.signals().attention_scale;
  const std::vector<float> logits = times_transposed(queries, rows, scene.keys(lane), n, depth);
  const std::vector<float> own = times_transposed(queries, rows, keys, count, depth);

  std::vector<double> wanted(missing.size()), drawn(missing.size());
  std::vector<double> weights(static_cast<std::size_t>(n));
  for (Index r = 0; r < rows; ++r) {
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (Index j = 0; j < n; ++j) {
      weights[j] = double{logits[r * n + j]} + info[j].log_weight;
      top = std::max(top, weights[j]);
    }
    for (double& weight : weights) sum += weight = std::exp(weight - top);
    for (Index c = 0; c < count; ++c) {
      for (std::int32_t j : missing[c]) wanted[c] += weights[j] / sum;
      drawn[c] += std::exp(own[r * count + c] - top) / sum;
    }
  }
  std::vector<float> out;
  for (std::size_t c = 0; c < missing.size(); ++c)
    out.push_back(static_cast<float>(wanted[c] > 0 && drawn[c] > 0
                                         ? std::log(wanted[c]) - std::log(drawn[c])
                                         : std::log(static_cast<double>(missing[c].size()))));
  return out;
}

}  // namespace pith::recipe
