#include "engine/signals/query_sample.h"

#include <algorithm>

namespace pith {

QuerySamples::QuerySamples(const ModelConfig& config, Index rows, std::span<const Index> wanted)
    : heads_(config.query_heads), head_dim_(config.head_dim), rows_(rows) {
  for (const Index count : wanted) {
    auto& sample = samples_.emplace_back();
    sample.wanted = count;
    sample.count = std::min(rows, count);
    sample.queries.assign(
        static_cast<std::size_t>(config.layer_count()),
        std::vector<float>(static_cast<std::size_t>(heads_ * sample.count * head_dim_)));
  }
}

template <typename Each>
void QuerySamples::each_query(const Block& block, Each&& each) {
  const Index width = heads_ * head_dim_, rows = std::ssize(block.queries) / width;
  for (auto& sample : samples_) {
    float* own = sample.queries[static_cast<std::size_t>(block.layer)].data();
    for (Index i = 0; i < sample.count; ++i) {
      const Index at = row(sample, i) - block.first;
      if (at < 0 || at >= rows) continue;
      for (Index h = 0; h < heads_; ++h)
        each(own + (h * sample.count + i) * head_dim_,
             block.queries.data() + at * width + h * head_dim_, row(sample, i), i);
    }
  }
}

void QuerySamples::take(const Block& block) {
  each_query(block, [&](float* own, const float* query, Index /*row*/, Index /*place*/) {
    std::copy_n(query, head_dim_, own);
  });
}

void QuerySamples::take_moved(const Block& block, const cache::Rotation& rotation,
                              Index first_position, Index behind) {
  take(block);
  if (rotation.inverse_frequencies.empty()) return;
  const auto& frequencies = rotation.inverse_frequencies[static_cast<std::size_t>(block.layer)];
  each_query(block, [&](float* own, const float* /*query*/, Index row, Index place) {
    cache::rotate(frequencies, static_cast<float>(first_position + row),
                  static_cast<float>(behind + place), own);
  });
}

std::vector<recipe::ReferenceQueries> QuerySamples::finish(
    std::span<const float> predicted_surprisal) {
  for (auto& sample : samples_)
    for (Index i = 0; i < sample.count && !predicted_surprisal.empty(); ++i)
      sample.surprisal.push_back(predicted_surprisal[static_cast<std::size_t>(row(sample, i))]);
  return std::move(samples_);
}

std::vector<float> predicted_surprisal(std::span<const float> surprisal, Index first) {
  if (std::ssize(surprisal) <= first) return {};
  const auto from = surprisal.subspan(static_cast<std::size_t>(first));
  std::vector<float> next(from.begin() + 1, from.end());
  next.push_back(from.back());
  return next;
}

}  // namespace pith
