#include "recipe/window_attention.h"

#include <algorithm>

#include "recipe/row_kernels.h"

namespace pith::recipe {

Probe window_probe(const Scene& scene, Index layer, Index rows) {
  const Signals& signals = scene.signals();
  return {scene.layer(layer).window_queries, signals.window, std::min(rows, signals.window),
          signals.tokens - 1};
}

Probe question_probe(const Scene& scene, Index layer) {
  const Signals& signals = scene.signals();
  return {scene.layer(layer).question_queries, signals.question_tokens, signals.question_tokens,
          signals.tokens + signals.question_tokens};
}

void visit_attention(const Scene& scene, Index lane, const Probe& probe,
                     const VisitWeights& visit) {
  constexpr Index kBlock = 16;  // rows at a time: their logits stay in the second-level cache
  const Index depth = scene.shape().head_dim, n = scene.size(lane), group = scene.group();
  const Index head = lane % scene.shape().kv_heads;
  const auto info = scene.info(lane);
  const Panels panels(scene.keys(lane), n, depth);
  const Index stride = panels.count * kPanel;

  // Entries that some row cannot see: the newest ones, wherever they stand in the lane.
  std::vector<Index> late;
  bool weighted = false;
  for (Index j = 0; j < n; ++j) {
    if (info[j].span.end - 1 > probe.last_token - (probe.rows - 1)) late.push_back(j);
    weighted |= info[j].log_weight != 0;
  }

  std::vector<float> ignored(static_cast<std::size_t>(n));
  std::vector<float> scaled(static_cast<std::size_t>(kBlock * depth));
  std::vector<float> logits(static_cast<std::size_t>(kBlock * stride));
  for (Index g = 0; g < group; ++g) {
    for (Index first = 0; first < probe.rows; first += kBlock) {
      const Index rows = std::min(kBlock, probe.rows - first);
      const Index row = (head * group + g) * probe.stored + probe.stored - probe.rows + first;
      for (Index i = 0; i < rows * depth; ++i)
        scaled[i] = probe.queries[row * depth + i] * scene.signals().attention_scale;
      row_kernels().multiply(scaled.data(), rows, panels.data.data(), panels.count, depth,
                             logits.data(), stride);
      for (Index r = 0; r < rows; ++r) {
        float* line = logits.data() + r * stride;
        if (weighted)
          for (Index j = 0; j < n; ++j) line[j] += info[j].log_weight;
        const Index token = probe.last_token - (probe.rows - 1) + first + r;
        for (Index j : late)
          if (info[j].span.end - 1 > token) line[j] = kNever;
        row_kernels().softmax_add(line, n, ignored.data());
        visit(g, first + r, {line, static_cast<std::size_t>(n)});
      }
    }
  }
}

std::vector<float> attention_columns(const Scene& scene, Index lane, const Probe& probe) {
  const Index n = scene.size(lane);
  std::vector<float> sums(static_cast<std::size_t>(scene.group() * n));
  visit_attention(scene, lane, probe, [&](Index g, Index, std::span<const float> weights) {
    float* sum = sums.data() + g * n;
    for (Index j = 0; j < n; ++j) sum[j] += weights[j];
  });
  return sums;
}

}  // namespace pith::recipe
