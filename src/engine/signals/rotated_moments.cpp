#include "engine/signals/rotated_moments.h"

#include "kernels/vector.h"

namespace pith {
namespace {

constexpr Index kEvery = 4;
constexpr Index kSinks = 4;  // first tokens, whose queries are like no other's

}  // namespace

RotatedMoments::RotatedMoments(const ModelConfig& config)
    : heads_(config.query_heads),
      group_(config.group()),
      head_dim_(config.head_dim),
      layers_(static_cast<std::size_t>(config.layer_count())) {
  for (Layer& layer : layers_)
    layer.sum.resize(static_cast<std::size_t>(config.kv_heads * head_dim_ * head_dim_));
}

void RotatedMoments::add(Index layer, Index first, std::span<const float> queries,
                         ThreadPool& pool) {
  const Index D = head_dim_, rows = std::ssize(queries) / (heads_ * D);
  const Index begin = round_up(std::max(first, kSinks), kEvery) - first;
  if (begin >= rows) return;
  Layer& own = layers_[static_cast<std::size_t>(layer)];
  pool.run(heads_ / group_, [&](Index kv_head, int) {
    float* sum = own.sum.data() + kv_head * D * D;
    for (Index r = begin; r < rows; r += kEvery)
      for (Index g = 0; g < group_; ++g) {
        const float* q = queries.data() + (r * heads_ + kv_head * group_ + g) * D;
        for (Index i = 0; i < D; ++i) vector_kernels().axpy(q[i], q, D, sum + i * D);
      }
  });
  own.count += ceil_div(rows - begin, kEvery) * group_;
}

void RotatedMoments::write(recipe::Signals& signals) const {
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    std::vector<float>& out = signals.layers[l].rotated_moment;
    out = layers_[l].sum;
    for (float& x : out) x /= static_cast<float>(std::max<Index>(layers_[l].count, 1));
  }
}

}  // namespace pith
