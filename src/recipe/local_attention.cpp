#include "recipe/local_attention.h"

#include <algorithm>

namespace pith::recipe {

Panels local_panels(std::span<const float> keys, Index depth, Index padding) {
  std::vector<float> padded(keys.size() + static_cast<std::size_t>(padding * depth));
  std::copy(keys.begin(), keys.end(), padded.begin());
  return Panels(padded, std::ssize(padded) / depth, depth);
}

void local_attention_columns(std::span<const float> queries, const Panels& panels, Index depth,
                             float scale, Index padding, std::span<float> columns) {
  constexpr Index kBlock = 16;
  const Index n = std::ssize(columns), all = n + padding;
  const Index stride = panels.count * kPanel;
  std::vector<float> scaled(static_cast<std::size_t>(kBlock * depth)),
      logits(static_cast<std::size_t>(kBlock * stride)), sums(static_cast<std::size_t>(all));
  for (Index first = 0; first < n; first += kBlock) {
    const Index rows = std::min(kBlock, n - first);
    for (Index i = 0; i < rows * depth; ++i) scaled[i] = queries[first * depth + i] * scale;
    row_kernels().multiply(scaled.data(), rows, panels.data.data(), panels.count, depth,
                           logits.data(), stride);
    for (Index r = 0; r < rows; ++r)
      row_kernels().softmax_add(logits.data() + r * stride, all, sums.data());
  }
  // A query of zeros looks at all alike.
  const float uniform = static_cast<float>(padding) / static_cast<float>(std::max<Index>(all, 1));
  for (Index j = 0; j < n; ++j) columns[j] = sums[j] + uniform;
}

std::span<const float> local_attention(const Signals& signals, Index layer,
                                       const LocalAttention& kind) {
  const auto& kinds = signals.local_attention;
  const auto found = std::find(kinds.begin(), kinds.end(), kind);
  const auto& own = signals.layers[layer].local_attention;
  if (found == kinds.end() || found - kinds.begin() >= std::ssize(own)) return {};
  return own[found - kinds.begin()];
}

}  // namespace pith::recipe
