#include "engine/signals/query_sample.h"

#include <algorithm>

namespace pith {

QuerySample::QuerySample(Index layers, Index query_heads, Index head_dim, Index rows, Index count)
    : heads_(query_heads),
      head_dim_(head_dim),
      rows_(rows),
      count_(std::min(rows, count)),
      queries_(static_cast<std::size_t>(layers)) {
  for (auto& layer : queries_)
    layer.resize(static_cast<std::size_t>(query_heads * count_ * head_dim));
}

template <typename Each>
void QuerySample::each(const Block& block, Each&& use) {
  const Index width = heads_ * head_dim_, rows = std::ssize(block.queries) / width;
  for (Index i = 0; i < count_; ++i) {
    const Index at = row(i) - block.first;
    if (at >= 0 && at < rows) use(i, row(i), block.queries.data() + at * width);
  }
}

float* QuerySample::slot(Index layer, Index head, Index sample) {
  return queries_[static_cast<std::size_t>(layer)].data() + (head * count_ + sample) * head_dim_;
}

void QuerySample::take(const Block& block) {
  each(block, [&](Index sample, Index /*row*/, const float* queries) {
    for (Index h = 0; h < heads_; ++h)
      std::copy_n(queries + h * head_dim_, head_dim_, slot(block.layer, h, sample));
  });
}

void QuerySample::take_moved(const Block& block, const cache::Rotation& rotation,
                             Index first_position, Index behind) {
  take(block);
  if (rotation.inverse_frequencies.empty()) return;
  const auto& frequencies = rotation.inverse_frequencies[static_cast<std::size_t>(block.layer)];
  each(block, [&](Index sample, Index row, const float* /*queries*/) {
    for (Index h = 0; h < heads_; ++h)
      cache::rotate(frequencies, static_cast<float>(first_position + row),
                    static_cast<float>(behind + sample), slot(block.layer, h, sample));
  });
}

std::vector<float> surprisal_behind(const QuerySample& sample, Index first,
                                    std::span<const float> surprisal) {
  std::vector<float> out;
  for (Index i = 0; i < sample.count(); ++i)
    out.push_back(surprisal[static_cast<std::size_t>(
        std::min(first + sample.row(i) + 1, std::ssize(surprisal) - 1))]);
  return out;
}

}  // namespace pith
