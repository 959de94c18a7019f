// Evenly spaced samples of the queries of a stream of rows, as references for fits: what attends to
// a context from behind it. Queries are kept, nothing is computed with them here.
#pragma once

#include <span>
#include <vector>

#include "cache/cache.h"
#include "model/config.h"
#include "recipe/signals.h"

namespace pith {

class QuerySamples {
 public:
  // A sample for each of `wanted`, which says how many of `rows` rows it takes: all of them where
  // there are fewer.
  QuerySamples(const ModelConfig& config, Index rows, std::span<const Index> wanted);

  bool empty() const { return samples_.empty(); }

  // Rows [first, first + rows) of the stream: keeps those that belong to a sample.
  struct Block {
    Index layer = 0, first = 0;
    std::span<const float> queries;  // [rows, Hq, D], rotated
  };
  void take(const Block& block);
  // The same, of queries that were rotated at positions first_position + row: moves each to the
  // position behind + its place in the sample.
  void take_moved(const Block& block, const cache::Rotation& rotation, Index first_position,
                  Index behind);

  // The samples in the order of `wanted`, with the surprisal of what each query predicts, if that
  // is known of the rows: [rows] nats. Call once.
  std::vector<recipe::ReferenceQueries> finish(std::span<const float> predicted_surprisal = {});

 private:
  // The row in the middle of the i-th of `count` equal stretches.
  Index row(const recipe::ReferenceQueries& sample, Index i) const {
    return (2 * i + 1) * rows_ / (2 * sample.count);
  }
  template <typename Each>  // each(sample's queries [D], block's queries [D], row, place)
  void each_query(const Block& block, Each&& each);

  Index heads_, head_dim_, rows_;
  std::vector<recipe::ReferenceQueries> samples_;
};

// Of a text from its token `first` on: what each token predicts is the next one, and of the last
// token, behind which nothing is known, itself. `surprisal` [T] -> [T - first].
std::vector<float> predicted_surprisal(std::span<const float> surprisal, Index first);

}  // namespace pith
