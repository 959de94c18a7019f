// The arithmetic of "compress, then evict" (S2, V. Kalugotla): how many virtual tokens stand for a
// turn, which of its tokens each one stands for, where they sit, and how their targets are pooled.
// Rounding follows the source to the last half: results of its runs depend on it. Runs no model.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace pith {

// clamp(round(tokens / ratio), 1, tokens), halves to even.
Index virtual_count(Index tokens, double ratio);

// max(round(per_250 * tokens / 250), least), halves to even.
Index virtual_steps(Index tokens, Index per_250, Index least);

// Tokens [begin, end) of a turn.
struct TokenRange {
  Index begin = 0, end = 0;
  friend bool operator==(const TokenRange&, const TokenRange&) = default;
};

// Even stretches: borders trunc(linspace(0, tokens, count + 1)) in f32.
std::vector<TokenRange> even_chunks(Index tokens, Index count);

// Stretches of equal summed surprisal, at least one token each (one of S2's dead ends).
std::vector<TokenRange> equal_surprisal_chunks(std::span<const float> surprisal,  // [N] nats
                                               Index count);

// round(linspace(first, last, count)), halves to even; both ends included.
std::vector<Index> interpolated_positions(Index first, Index last, Index count);

// Weights that sum to 1: softmax of the surprisals (temperature 1, nats).
std::vector<float> surprisal_weights(std::span<const float> surprisal);

// The weighted mean of rows: weights [chunk's tokens], rows [N, width] -> [width].
std::vector<float> pooled(std::span<const float> rows, Index width, TokenRange chunk,
                          std::span<const float> weights);

}  // namespace pith
