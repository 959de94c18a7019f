#include "engine/signals/collect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/calibration/calibration.h"
#include "kernels/vector.h"
#include "recipe/local_attention.h"
#include "recipe/signal_kinds.h"

namespace pith {

bool SignalCollector::watches(const recipe::SignalNeeds& needs) {
  return recipe::asks_any(needs, [](const recipe::SignalKind& kind) { return kind.from.watched; });
}

SignalCollector::SignalCollector(Engine& engine, const recipe::SignalNeeds& needs, Index tokens,
                                 Index prefix)
    : engine_(engine),
      needs_(needs),
      sums_({needs.attention_sum, needs.attention_max}, engine.pool().size()),
      prefix_(std::min(prefix, tokens)) {
  const auto& config = engine.config();
  const auto heads = static_cast<std::size_t>(config.query_heads),
             D = static_cast<std::size_t>(config.head_dim);
  signals_.tokens = tokens;
  signals_.query_heads = config.query_heads;
  signals_.attention_scale = config.attention_scale;
  signals_.window = std::min(needs.window_queries, tokens);
  signals_.layers.resize(static_cast<std::size_t>(config.layer_count()));
  for (auto& layer : signals_.layers) {
    layer.window_queries.resize(heads * static_cast<std::size_t>(signals_.window) * D);
    if (needs.attention_sum) layer.attention_sum.resize(heads * static_cast<std::size_t>(tokens));
    if (needs.attention_max) layer.attention_max.resize(heads * static_cast<std::size_t>(tokens));
  }
  if (needs.measures_queries()) {
    moments_.resize(signals_.layers.size());
    for (auto& moments : moments_) {
      moments.sum.resize(heads * D);
      if (needs.query_moments) moments.product.resize(heads * D * D);
      if (needs.query_magnitudes) moments.magnitude.resize(heads * D / 2);
    }
  }
  signals_.local_attention = needs.local_attention;
  for (const auto& kind : needs.local_attention) {
    local_.emplace_back(config.layer_count(), config.query_heads, config.kv_heads, config.head_dim,
                        kind.chunk, kind.first, tokens - kind.last);
    for (auto& layer : signals_.layers)
      layer.local_attention.emplace_back(heads * static_cast<std::size_t>(tokens));
  }
  if (!needs.context_queries.empty()) {
    samples_.emplace(config, tokens - prefix_, needs.context_queries);
    rotation_ = engine.cache_rotation();
  }
  if (needs.rotated_moments) rotated_moments_.emplace(config);
  if (needs.echo > 0) echo_.emplace(engine, needs.echo, prefix_, tokens);
  if (needs.query_filters || needs.kvzap) look_up_calibration();
}

void SignalCollector::look_up_calibration() {
  const auto& config = engine_.config();
  const Calibration calibration = Calibration::of(engine_);
  const Index filter[] = {config.kv_heads, config.head_dim},
              weights[] = {config.kv_heads, config.width + 1};
  for (std::size_t l = 0; l < signals_.layers.size(); ++l) {
    if (needs_.query_filters)
      signals_.layers[l].query_filters = calibration.at(fmt::format("qfilters.{}", l), filter).data;
    if (!needs_.kvzap) continue;
    kvzap_.emplace_back();
    if (config.layers[l].window > 0) continue;  // not compressed, hence not calibrated
    kvzap_.back() = calibration.at(fmt::format("kvzap.{}", l), weights).data;
    signals_.layers[l].kvzap.resize(static_cast<std::size_t>(config.kv_heads * signals_.tokens));
  }
}

void SignalCollector::begin_chunk(Index first, Index rows) {
  first_ = first;
  rows_ = rows;
}

void SignalCollector::unrotated(Index layer, std::span<const float> hidden,
                                std::span<const float> queries) {
  if (needs_.measures_queries()) collect_moments(layer, queries);
  if (needs_.query_magnitudes) collect_magnitudes(layer, queries);
  if (echo_) echo_->hidden(layer, first_, hidden);
  if (needs_.kvzap) predict(layer, hidden);
}

// kvzap's ridge: weights of the hidden state and a constant, for each KV head.
void SignalCollector::predict(Index layer, std::span<const float> hidden) {
  const Index E = engine_.config().width, T = signals_.tokens;
  const auto& weights = kvzap_[static_cast<std::size_t>(layer)];
  auto& out = signals_.layers[static_cast<std::size_t>(layer)].kvzap;
  for (Index h = 0; h < std::ssize(weights) / (E + 1); ++h) {
    const float* w = weights.data() + h * (E + 1);
    for (Index r = 0; r < rows_; ++r)
      out[static_cast<std::size_t>(h * T + first_ + r)] =
          vector_kernels().dot(w, hidden.data() + r * E, E) + w[E];
  }
}

// Mean lengths of the pairs (i, i + D/2).
void SignalCollector::collect_magnitudes(Index layer, std::span<const float> queries) {
  const Index heads = engine_.config().query_heads, D = engine_.config().head_dim, half = D / 2;
  auto& sum = moments_[static_cast<std::size_t>(layer)].magnitude;
  for (Index r = std::clamp<Index>(needs_.moments_skip - first_, 0, rows_); r < rows_; ++r)
    for (Index h = 0; h < heads; ++h) {
      const float* q = queries.data() + (r * heads + h) * D;
      for (Index i = 0; i < half; ++i)
        sum[static_cast<std::size_t>(h * half + i)] +=
            static_cast<double>(std::sqrt(q[i] * q[i] + q[i + half] * q[i + half]));
    }
}

void SignalCollector::collect_moments(Index layer, std::span<const float> queries) {
  const Index heads = engine_.config().query_heads, D = engine_.config().head_dim;
  const Index skip = std::clamp<Index>(needs_.moments_skip - first_, 0, rows_), rows = rows_ - skip;
  if (rows == 0) return;
  auto& moments = moments_[static_cast<std::size_t>(layer)];
  const auto query = [&](Index r, Index h) {
    return queries.data() + ((skip + r) * heads + h) * D;
  };
  if (moments.shift.empty()) {
    moments.shift.resize(static_cast<std::size_t>(heads * D));
    for (Index r = 0; r < rows; ++r)
      vector_kernels().axpy(1.0f / static_cast<float>(rows), query(r, 0), heads * D,
                            moments.shift.data());
  }
  // Centred queries as columns, [Hq, D, stride]: zeros fill the rows up, so that their distance is
  // no power of two, which would put a column into few sets of the cache.
  const Index stride = round_up(rows, 16) + 16;
  centred_.assign(static_cast<std::size_t>(heads * D * stride), 0.0f);
  engine_.pool().run(heads, [&](Index h, int) {
    const float* shift = moments.shift.data() + h * D;
    float* columns = centred_.data() + h * D * stride;
    for (Index r = 0; r < rows; ++r)
      for (Index d = 0; d < D; ++d) columns[d * stride + r] = query(r, h)[d] - shift[d];
    for (Index d = 0; d < D; ++d)
      moments.sum[static_cast<std::size_t>(h * D + d)] +=
          static_cast<double>(vector_kernels().sum(columns + d * stride, rows));
  });
  moments.count += rows;
  if (!needs_.query_moments) return;
  Activations activations;
  std::vector<float> product(static_cast<std::size_t>(D * D));
  for (Index h = 0; h < heads; ++h) {
    const auto columns = std::span(centred_).subspan(static_cast<std::size_t>(h * D * stride),
                                                     static_cast<std::size_t>(D * stride));
    activations.prepare(columns, D, stride, Numerics::exact, engine_.pool());
    const Product job{
        {WeightType::f32, D, stride, reinterpret_cast<const std::byte*>(columns.data())},
        nullptr,
        product.data(),
        D};
    multiply(activations, std::span(&job, 1), engine_.pool());
    double* total = moments.product.data() + h * D * D;
    for (Index i = 0; i < D * D; ++i)
      total[i] += static_cast<double>(product[static_cast<std::size_t>(i)]);
  }
}

void SignalCollector::stored(Index /*layer*/, std::span<const float> keys,
                             std::span<const float> /*values*/) {
  if (!local_.empty() || echo_) keys_.assign(keys.begin(), keys.end());
}

// Column sums of the attention inside chunks, whenever one is whole.
void SignalCollector::collect_local(Index layer, std::span<const float> queries) {
  const auto& config = engine_.config();
  const Index D = config.head_dim, T = signals_.tokens;
  for (std::size_t k = 0; k < local_.size(); ++k) {
    const recipe::LocalAttention& kind = needs_.local_attention[k];
    std::vector<float>& out = signals_.layers[static_cast<std::size_t>(layer)].local_attention[k];
    local_[k].add(layer, first_, rows_, queries, keys_, [&](const ChunkRows::Chunk& chunk) {
      const Index padding = recipe::local_padding(kind, chunk.size);
      std::vector<recipe::Panels> keys;
      for (Index h = 0; h < config.kv_heads; ++h)
        keys.push_back(recipe::local_panels(chunk.key(h, kind.chunk, D), D, padding));
      engine_.pool().run(config.query_heads, [&](Index head, int) {
        recipe::local_attention_columns(
            chunk.query(head, kind.chunk, D), keys[static_cast<std::size_t>(head / config.group())],
            D, recipe::local_scale(kind, config.attention_scale), padding,
            std::span(out).subspan(static_cast<std::size_t>(head * T + chunk.begin),
                                   static_cast<std::size_t>(chunk.size)));
      });
    });
  }
}

void SignalCollector::rotated(Index layer, std::span<const float> queries) {
  collect_local(layer, queries);
  if (echo_) echo_->rotated(layer, first_, rows_, queries, keys_);
  if (rotated_moments_) rotated_moments_->add(layer, first_, queries, engine_.pool());
  if (samples_)
    samples_->take_moved({layer, first_ - prefix_, queries}, rotation_, prefix_, signals_.tokens);
  const Index heads = engine_.config().query_heads, D = engine_.config().head_dim;
  const Index start = signals_.tokens - signals_.window;  // of the window
  auto& window = signals_.layers[static_cast<std::size_t>(layer)].window_queries;
  for (Index r = std::max<Index>(0, start - first_); r < rows_; ++r)
    for (Index h = 0; h < heads; ++h)
      std::copy_n(queries.data() + (r * heads + h) * D, D,
                  window.data() + (h * signals_.window + first_ + r - start) * D);
}

cache::AttentionTap* SignalCollector::tap(Index /*layer*/) {
  return wants_attention() ? this : nullptr;
}

void SignalCollector::observe(const cache::WeightBlock& block) {
  const Index T = signals_.tokens;
  auto& sums = sums_.of(block, signals_.query_heads * T);
  for (Index r = 0; r < block.queries * block.group; ++r) {
    const float* weights = block.weights + r * block.stride;
    const Index head = block.kv_head * block.group + r % block.group;
    if (needs_.attention_sum)
      vector_kernels().axpy(1.0f, weights, block.entries, sums.sum.data() + head * T);
    if (!needs_.attention_max) continue;
    vector_kernels().raise(1.0f, weights, block.entries, sums.max.data() + head * T);
  }
}

void SignalCollector::end_layer(Index layer) {
  auto& to = signals_.layers[static_cast<std::size_t>(layer)];
  sums_.merge(to.attention_sum, to.attention_max);
}

void SignalCollector::finish_moments() {
  const auto heads = static_cast<std::size_t>(signals_.query_heads),
             D = static_cast<std::size_t>(engine_.config().head_dim);
  for (std::size_t l = 0; l < moments_.size(); ++l) {
    const auto& moments = moments_[l];
    auto& layer = signals_.layers[l];
    layer.query_mean.resize(heads * D);
    layer.query_magnitude.resize(moments.magnitude.size());
    if (needs_.query_moments) layer.query_covariance.resize(heads * D * D);
    if (moments.count == 0) continue;  // a context of nothing but sinks: mean and covariance 0
    const double n = static_cast<double>(moments.count);
    for (std::size_t i = 0; i < heads * D; ++i)
      layer.query_mean[i] = static_cast<float>(moments.sum[i] / n) + moments.shift[i];
    for (std::size_t i = 0; i < moments.magnitude.size(); ++i)
      layer.query_magnitude[i] = static_cast<float>(moments.magnitude[i] / n);
    if (!needs_.query_moments) continue;
    for (std::size_t h = 0; h < heads; ++h)
      for (std::size_t i = 0; i < D; ++i)
        for (std::size_t j = 0; j < D; ++j)
          layer.query_covariance[(h * D + i) * D + j] =
              static_cast<float>(moments.product[(h * D + i) * D + j] / n -
                                 moments.sum[h * D + i] / n * (moments.sum[h * D + j] / n));
  }
}

recipe::Signals SignalCollector::finish(const Context& context, std::vector<float> surprisal) {
  finish_moments();
  if (rotated_moments_) rotated_moments_->write(signals_);
  signals_.surprisal = std::move(surprisal);
  if (echo_) echo_->finish(context, signals_);
  if (samples_)
    signals_.context_queries = samples_->finish(predicted_surprisal(signals_.surprisal, prefix_));
  return std::move(signals_);
}

QueryCapture::QueryCapture(const Engine& engine, Index tokens)
    : heads_(engine.config().query_heads),
      kv_heads_(engine.config().kv_heads),
      head_dim_(engine.config().head_dim),
      tokens_(tokens),
      queries_(static_cast<std::size_t>(engine.config().layer_count())),
      keys_(queries_.size()) {
  for (auto& layer : queries_) layer.resize(static_cast<std::size_t>(heads_ * tokens * head_dim_));
  for (auto& layer : keys_) layer.resize(static_cast<std::size_t>(kv_heads_ * tokens * head_dim_));
}

void QueryCapture::begin_chunk(Index first, Index rows) {
  if (first_ < 0) first_ = first;
  offset_ = first - first_;
  rows_ = rows;
}

void QueryCapture::stored(Index layer, std::span<const float> keys,
                          std::span<const float> /*values*/) {
  place(keys, kv_heads_, keys_[static_cast<std::size_t>(layer)]);
}

void QueryCapture::rotated(Index layer, std::span<const float> queries) {
  place(queries, heads_, queries_[static_cast<std::size_t>(layer)]);
}

void QueryCapture::place(std::span<const float> rows, Index heads, std::vector<float>& out) const {
  for (Index r = 0; r < rows_; ++r)
    for (Index h = 0; h < heads; ++h)
      std::copy_n(rows.data() + (r * heads + h) * head_dim_, head_dim_,
                  out.data() + (h * tokens_ + offset_ + r) * head_dim_);
}

}  // namespace pith
