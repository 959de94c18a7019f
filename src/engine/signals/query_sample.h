// An evenly spaced sample of the queries of a stream of rows, as references for fits: what attends
// to a context from behind it. It keeps queries, nothing is computed with them here.
#pragma once

#include <span>
#include <vector>

#include "cache/cache.h"

namespace pith {

class QuerySample {
 public:
  // `count` of `rows` rows (all of them where there are fewer), of `layers` layers.
  QuerySample(Index layers, Index query_heads, Index head_dim, Index rows, Index count);

  Index count() const { return count_; }
  // The row in the middle of the sample-th of `count` equal stretches.
  Index row(Index sample) const { return (2 * sample + 1) * rows_ / (2 * count_); }

  // Rows [first, first + rows) of the stream: keeps those that belong to the sample. With
  // `rotation`, queries rotated at positions first_position + row are moved to the positions
  // behind + 0, 1, ... of their place in the sample.
  struct Block {
    Index layer = 0, first = 0;
    std::span<const float> queries;  // [rows, Hq, D], rotated
  };
  void take(const Block& block);
  void take_moved(const Block& block, const cache::Rotation& rotation, Index first_position,
                  Index behind);

  std::vector<std::vector<float>> finish() { return std::move(queries_); }  // [L][Hq, count, D]

 private:
  template <typename Each>
  void each(const Block& block, Each&& use);  // use(sample, row of the stream, its queries [Hq, D])
  float* slot(Index layer, Index head, Index sample);

  Index heads_, head_dim_, rows_, count_;
  std::vector<std::vector<float>> queries_;
};

// [count] the surprisal of the token behind each sampled row of a text, whose first token is
// `first` of all; of the last token its own.
std::vector<float> surprisal_behind(const QuerySample& sample, Index first,
                                    std::span<const float> surprisal);

}  // namespace pith
