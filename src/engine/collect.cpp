#include "engine/collect.h"

#include <algorithm>

#include "kernels/vector.h"

namespace pith {

SignalCollector::SignalCollector(Engine& engine, const recipe::SignalNeeds& needs, Index tokens,
                                 Index prefix)
    : engine_(engine), needs_(needs), prefix_(std::min(prefix, tokens)) {
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
  if (needs.query_moments) {
    moments_.resize(signals_.layers.size());
    for (auto& moments : moments_) {
      moments.sum.resize(heads * D);
      moments.product.resize(heads * D * D);
    }
  }
  if (needs.context_queries > 0) {
    sample_.emplace(config.layer_count(), config.query_heads, config.head_dim, tokens - prefix_,
                    needs.context_queries);
    rotation_ = engine.cache_rotation();
    signals_.context_queries = sample_->count();
  }
  if (wants_attention()) sums_.resize(static_cast<std::size_t>(engine.pool().size()));
}

void SignalCollector::begin_chunk(Index first, Index rows) {
  first_ = first;
  rows_ = rows;
}

void SignalCollector::unrotated(Index layer, std::span<const float> /*hidden*/,
                                std::span<const float> queries) {
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
  moments.count += rows;
}

void SignalCollector::rotated(Index layer, std::span<const float> queries) {
  if (sample_)
    sample_->take_moved({layer, first_ - prefix_, queries}, rotation_, prefix_, signals_.tokens);
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
  auto& sums = sums_[static_cast<std::size_t>(block.thread)];
  const auto size = static_cast<std::size_t>(signals_.query_heads * T);
  if (needs_.attention_sum) sums.sum.resize(size);
  if (needs_.attention_max) sums.max.resize(size);
  sums.used = true;
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
  auto& result = signals_.layers[static_cast<std::size_t>(layer)];
  for (auto& sums : sums_) {
    if (!sums.used) continue;
    for (std::size_t i = 0; i < sums.sum.size(); ++i) result.attention_sum[i] += sums.sum[i];
    for (std::size_t i = 0; i < sums.max.size(); ++i)
      result.attention_max[i] = std::max(result.attention_max[i], sums.max[i]);
    std::fill(sums.sum.begin(), sums.sum.end(), 0.0f);
    std::fill(sums.max.begin(), sums.max.end(), 0.0f);
    sums.used = false;
  }
}

recipe::Signals SignalCollector::finish() {
  const auto heads = static_cast<std::size_t>(signals_.query_heads),
             D = static_cast<std::size_t>(engine_.config().head_dim);
  for (std::size_t l = 0; l < moments_.size(); ++l) {
    const auto& moments = moments_[l];
    auto& layer = signals_.layers[l];
    layer.query_mean.resize(heads * D);
    layer.query_covariance.resize(heads * D * D);
    if (moments.count == 0) continue;  // a context of nothing but sinks: mean and covariance 0
    const double n = static_cast<double>(moments.count);
    for (std::size_t i = 0; i < heads * D; ++i)
      layer.query_mean[i] = static_cast<float>(moments.sum[i] / n) + moments.shift[i];
    for (std::size_t h = 0; h < heads; ++h)
      for (std::size_t i = 0; i < D; ++i)
        for (std::size_t j = 0; j < D; ++j)
          layer.query_covariance[(h * D + i) * D + j] =
              static_cast<float>(moments.product[(h * D + i) * D + j] / n -
                                 moments.sum[h * D + i] / n * (moments.sum[h * D + j] / n));
  }
  if (sample_) {
    auto queries = sample_->finish();
    for (std::size_t l = 0; l < queries.size(); ++l)
      signals_.layers[l].context_queries = std::move(queries[l]);
  }
  return std::move(signals_);
}

QueryCapture::QueryCapture(const Engine& engine, Index tokens)
    : heads_(engine.config().query_heads),
      head_dim_(engine.config().head_dim),
      tokens_(tokens),
      queries_(static_cast<std::size_t>(engine.config().layer_count())) {
  for (auto& layer : queries_) layer.resize(static_cast<std::size_t>(heads_ * tokens * head_dim_));
}

void QueryCapture::begin_chunk(Index first, Index rows) {
  if (first_ < 0) first_ = first;
  offset_ = first - first_;
  rows_ = rows;
}

void QueryCapture::rotated(Index layer, std::span<const float> queries) {
  float* out = queries_[static_cast<std::size_t>(layer)].data();
  for (Index r = 0; r < rows_; ++r)
    for (Index h = 0; h < heads_; ++h)
      std::copy_n(queries.data() + (r * heads_ + h) * head_dim_, head_dim_,
                  out + (h * tokens_ + offset_ + r) * head_dim_);
}

}  // namespace pith
