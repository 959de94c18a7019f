// Chunks: a context cut into stretches of source tokens, for route. It looks at no entries.
#pragma once

#include <span>
#include <vector>

#include "base/types.h"

namespace pith::recipe {

struct Chunk {
  Index begin = 0, end = 0;  // source tokens
  friend bool operator==(const Chunk&, const Chunk&) = default;
};

// Stretches of `length` tokens; the last one may be shorter.
std::vector<Chunk> fixed_chunks(Index tokens, Index length);

// Stretches of at most about `length` tokens that begin where sentences begin. A sentence longer
// than `length` is a chunk of its own up to twice that, and is cut at `length` beyond.
std::vector<Chunk> sentence_chunks(Index tokens, Index length,
                                   std::span<const std::int32_t> starts);  // ascending

}  // namespace pith::recipe
