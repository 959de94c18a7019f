#include "engine/signals/stream.h"

#include <algorithm>
#include <utility>

#include "recipe/signal_kinds.h"

namespace pith {
namespace {

bool of_pieces(const recipe::SignalKind& kind) { return kind.over == recipe::Over::piece; }

}  // namespace

void lengthen_rows(std::vector<float>& array, Index rows, Index before, Index after) {
  std::vector<float> longer(static_cast<std::size_t>(rows * after));
  for (Index r = 0; r < rows && !array.empty(); ++r)
    std::copy_n(array.begin() + r * before, before, longer.begin() + r * after);
  array = std::move(longer);
}

StreamCollector::StreamCollector(Engine& engine, const recipe::SignalNeeds& needs,
                                 Index tokens_before)
    : engine_(engine),
      needs_(needs),
      layers_(static_cast<std::size_t>(engine.config().layer_count())),
      sums_({needs.attention_sum, needs.attention_max}, engine.pool().size()) {
  const auto& config = engine.config();
  signals_.tokens = tokens_before;
  signals_.query_heads = config.query_heads;
  signals_.attention_scale = config.attention_scale;
  signals_.layers.resize(layers_.size());
  if (needs.rotated_moments) rotated_moments_.emplace(config);
  const auto heads = static_cast<std::size_t>(config.query_heads),
             D = static_cast<std::size_t>(config.head_dim);
  for (Layer& layer : layers_) {
    layer.ring.resize(heads * static_cast<std::size_t>(needs.window_queries) * D);
    if (!needs.query_moments) continue;
    layer.sum.resize(heads * D);
    layer.product.resize(heads * D * D);
  }
}

recipe::SignalNeeds StreamCollector::beyond(recipe::SignalNeeds needs) {
  return recipe::without(std::move(needs), of_pieces);
}

bool StreamCollector::watches() const {
  return recipe::asks_any(
      needs_, [](const recipe::SignalKind& kind) { return of_pieces(kind) && kind.from.watched; });
}

void StreamCollector::begin(const cache::Cache& cache, Index tokens) {
  const Index before = signals_.tokens, after = before + tokens;
  const Index heads = signals_.query_heads, kv_heads = engine_.config().kv_heads;
  signals_.tokens = signals_.next_position = after;
  for (auto& layer : signals_.layers) {
    if (needs_.attention_sum) lengthen_rows(layer.attention_sum, heads, before, after);
    if (needs_.attention_max) lengthen_rows(layer.attention_max, heads, before, after);
    if (needs_.replay) lengthen_rows(layer.replay, kv_heads, before, after);
    if (needs_.replay_plus) lengthen_rows(layer.replay_plus, kv_heads, before, after);
    if (needs_.projected_values) lengthen_rows(layer.projected_values, kv_heads, before, after);
  }
  if (!wants_attention()) return;
  spans_.clear();
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane) {
    auto& own = spans_.emplace_back();
    for (const cache::EntryInfo& entry : cache.read_info(lane)) own.push_back(entry.span);
  }
}

void StreamCollector::begin_chunk(Index first, Index rows) {
  first_ = first;
  rows_ = rows;
}

void StreamCollector::unrotated(Index layer, std::span<const float> /*hidden*/,
                                std::span<const float> queries) {
  const Index heads = engine_.config().query_heads, D = engine_.config().head_dim;
  const Index skip = std::clamp<Index>(needs_.moments_skip - first_, 0, rows_);
  Layer& own = layers_[static_cast<std::size_t>(layer)];
  engine_.pool().run(heads, [&](Index h, int) {
    double* sum = own.sum.data() + h * D;
    double* product = own.product.data() + h * D * D;
    for (Index r = skip; r < rows_; ++r) {
      const float* q = queries.data() + (r * heads + h) * D;
      for (Index i = 0; i < D; ++i) {
        sum[i] += static_cast<double>(q[i]);
        for (Index j = 0; j < D; ++j)
          product[i * D + j] += static_cast<double>(q[i]) * static_cast<double>(q[j]);
      }
    }
  });
  if (layer == 0) counted_ += rows_ - skip;
}

void StreamCollector::rotated(Index layer, std::span<const float> queries) {
  const Index heads = engine_.config().query_heads, D = engine_.config().head_dim,
              window = needs_.window_queries;
  if (rotated_moments_) rotated_moments_->add(layer, first_, queries, engine_.pool());
  auto& ring = layers_[static_cast<std::size_t>(layer)].ring;
  for (Index r = std::max<Index>(0, rows_ - window); r < rows_; ++r)
    for (Index h = 0; h < heads; ++h)
      std::copy_n(queries.data() + (r * heads + h) * D, D,
                  ring.data() + (h * window + (first_ + r) % window) * D);
}

cache::AttentionTap* StreamCollector::tap(Index /*layer*/) {
  return wants_attention() ? this : nullptr;
}

void StreamCollector::observe(const cache::WeightBlock& block) {
  const Index T = signals_.tokens, kv_heads = engine_.config().kv_heads;
  const auto& spans = spans_[static_cast<std::size_t>(block.layer * kv_heads + block.kv_head)];
  const Index known = std::ssize(spans);
  // New entries follow those that were there, and the newest one is the last token of this chunk.
  const Index start = first_ + rows_ - (block.entries - known);
  auto& sums = sums_.of(block, signals_.query_heads * T);
  for (Index r = 0; r < block.queries * block.group; ++r) {
    const float* weights = block.weights + r * block.stride;
    const Index head = block.kv_head * block.group + r % block.group;
    const auto count = [&](Index token, float weight) {
      if (needs_.attention_sum) sums.sum[static_cast<std::size_t>(head * T + token)] += weight;
      if (!needs_.attention_max) return;
      float& most = sums.max[static_cast<std::size_t>(head * T + token)];
      most = std::max(most, weight);
    };
    for (Index j = 0; j < known; ++j)
      for (Index t = spans[static_cast<std::size_t>(j)].begin;
           t < spans[static_cast<std::size_t>(j)].end; ++t)
        count(t, weights[j]);
    for (Index j = known; j < block.entries; ++j) count(start + j - known, weights[j]);
  }
}

void StreamCollector::end_layer(Index layer) {
  auto& to = signals_.layers[static_cast<std::size_t>(layer)];
  sums_.merge(to.attention_sum, to.attention_max);
}

recipe::Signals& StreamCollector::signals() {
  const Index heads = engine_.config().query_heads, D = engine_.config().head_dim,
              capacity = needs_.window_queries;
  signals_.window = std::min(capacity, signals_.tokens);
  if (rotated_moments_) rotated_moments_->write(signals_);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    auto& to = signals_.layers[l];
    to.window_queries.resize(static_cast<std::size_t>(heads * signals_.window * D));
    for (Index h = 0; h < heads; ++h)
      for (Index w = 0; w < signals_.window; ++w) {
        const Index token = signals_.tokens - signals_.window + w;
        std::copy_n(layers_[l].ring.data() + (h * capacity + token % capacity) * D, D,
                    to.window_queries.data() + (h * signals_.window + w) * D);
      }
    if (!needs_.query_moments) continue;
    to.query_mean.assign(static_cast<std::size_t>(heads * D), 0);
    to.query_covariance.assign(static_cast<std::size_t>(heads * D * D), 0);
    if (counted_ == 0) continue;
    const double n = static_cast<double>(counted_);
    for (Index i = 0; i < heads * D; ++i)
      to.query_mean[static_cast<std::size_t>(i)] =
          static_cast<float>(layers_[l].sum[static_cast<std::size_t>(i)] / n);
    for (Index h = 0; h < heads; ++h)
      for (Index i = 0; i < D; ++i)
        for (Index j = 0; j < D; ++j) {
          const auto at = static_cast<std::size_t>((h * D + i) * D + j);
          const double mean_i = layers_[l].sum[static_cast<std::size_t>(h * D + i)] / n,
                       mean_j = layers_[l].sum[static_cast<std::size_t>(h * D + j)] / n;
          to.query_covariance[at] =
              static_cast<float>(layers_[l].product[at] / n - mean_i * mean_j);
        }
  }
  return signals_;
}

}  // namespace pith
