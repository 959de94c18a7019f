#include "recipe/chunks.h"

#include <algorithm>

namespace pith::recipe {

std::vector<Chunk> fixed_chunks(Index tokens, Index length) {
  std::vector<Chunk> chunks;
  for (Index begin = 0; begin < tokens; begin += length)
    chunks.push_back({begin, std::min(begin + length, tokens)});
  return chunks;
}

std::vector<Chunk> sentence_chunks(Index tokens, Index length,
                                   std::span<const std::int32_t> starts) {
  std::vector<Chunk> chunks;
  for (Index begin = 0; begin < tokens;) {
    // The last border within reach, else the first one not too far, else none.
    const auto after = std::upper_bound(starts.begin(), starts.end(), begin + length);
    Index end = begin + length;
    if (after != starts.begin() && *(after - 1) > begin)
      end = *(after - 1);
    else if (after != starts.end() && *after <= begin + 2 * length)
      end = *after;
    else if (after == starts.end() && tokens <= begin + 2 * length)
      end = tokens;
    if (tokens <= begin + length) end = tokens;  // the rest fits
    end = std::min(end, tokens);
    chunks.push_back({begin, end});
    begin = end;
  }
  return chunks;
}

}  // namespace pith::recipe
