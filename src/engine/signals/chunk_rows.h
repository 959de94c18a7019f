// Rows of a read gathered into whole chunks of the context, by head: what a computation needs that
// looks at all tokens of a chunk together, however the read was cut. It computes nothing.
#pragma once

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "base/types.h"

namespace pith {

class ChunkRows {
 public:
  // Chunks of `chunk` tokens that cover [first, end); the last one may be shorter.
  ChunkRows(Index layers, Index query_heads, Index kv_heads, Index head_dim, Index chunk,
            Index first, Index end)
      : query_heads_(query_heads),
        kv_heads_(kv_heads),
        head_dim_(head_dim),
        chunk_(chunk),
        first_(first),
        end_(end),
        layers_(static_cast<std::size_t>(layers)) {}

  struct Chunk {
    Index begin = 0, size = 0;         // source tokens
    std::vector<float> queries, keys;  // [Hq, chunk, D], [Hkv, chunk, D]; `size` rows are set
    std::span<const float> query(Index head, Index chunk, Index depth) const {
      return std::span(queries).subspan(static_cast<std::size_t>(head * chunk * depth),
                                        static_cast<std::size_t>(size * depth));
    }
    std::span<const float> key(Index head, Index chunk, Index depth) const {
      return std::span(keys).subspan(static_cast<std::size_t>(head * chunk * depth),
                                     static_cast<std::size_t>(size * depth));
    }
  };

  // Adds rows of tokens [token, token + rows); calls body(chunk) whenever one is whole.
  template <typename Body>
  void add(Index layer, Index token, Index rows, std::span<const float> queries,  // [R, Hq, D]
           std::span<const float> keys,                                           // [R, Hkv, D]
           Body&& body) {
    Chunk& chunk = layers_[static_cast<std::size_t>(layer)];
    for (Index r = 0; r < rows; ++r) {
      if (token + r < first_ || token + r >= end_) continue;
      if (chunk.size == 0) {
        chunk.begin = token + r;
        chunk.queries.resize(static_cast<std::size_t>(query_heads_ * chunk_ * head_dim_));
        chunk.keys.resize(static_cast<std::size_t>(kv_heads_ * chunk_ * head_dim_));
      }
      place(queries.data() + r * query_heads_ * head_dim_, query_heads_, chunk.size, chunk.queries);
      place(keys.data() + r * kv_heads_ * head_dim_, kv_heads_, chunk.size, chunk.keys);
      ++chunk.size;
      if (chunk.size < chunk_ && token + r + 1 < end_) continue;
      body(std::as_const(chunk));
      chunk.size = 0;
      if (token + r + 1 == end_) chunk = {};
    }
  }

  Index chunk() const { return chunk_; }

 private:
  void place(const float* row, Index heads, Index slot, std::vector<float>& to) const {
    for (Index h = 0; h < heads; ++h)
      std::copy_n(row + h * head_dim_, head_dim_, to.data() + (h * chunk_ + slot) * head_dim_);
  }

  Index query_heads_, kv_heads_, head_dim_, chunk_, first_, end_;
  std::vector<Chunk> layers_;
};

}  // namespace pith
