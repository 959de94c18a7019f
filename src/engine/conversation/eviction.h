// Which entries of a conversation go when its cache is too large, and which of those that went come
// back: both by the attention that texts just read or written gave them; and which no token sees
// any more. It plans; the conversation carries out.
#pragma once

#include <span>
#include <vector>

#include "engine/context.h"

namespace pith {

// The attention that reading `tokens` gives to every entry that is there before: summed over tokens
// and query heads, [lanes][n]. The context is left as it was.
std::vector<std::vector<float>> attention_of(const Context& context, std::span<const Token> tokens);

struct EvictionLimits {
  Index prefix_tokens = 0;         // entries for these stay
  std::vector<Index> turn_starts;  // ascending; the first one is prefix_tokens
  Index fewest_of_turn = 2;        // entries of each turn that stay in each lane
};

struct EvictionCandidate {
  Index lane = 0, entry = 0;
  float attention = 0;
  Index bytes = 0;
};
// The entries that may go, those with the least attention first, over all lanes together. Layers
// with a sliding window are left alone.
std::vector<EvictionCandidate> eviction_order(
    const cache::Cache& cache,
    const std::vector<std::vector<float>>& attention,  // [lanes][n]
    const EvictionLimits& limits);

struct Eviction {
  cache::Plan keep, evict;  // of the same cache, one the complement of the other
  Index entries = 0;        // that go
};

// Takes the first of an order until their bytes are enough, or all of them.
Eviction plan_eviction(const cache::Cache& cache, std::span<const EvictionCandidate> order,
                       Index bytes);

// Takes what no token from `next` on sees: the entries that a layer's sliding window has left
// behind. As many as the window stay, which is what recipes leave there.
Eviction plan_windows(const cache::Cache& cache, Index next);

// Tokens that come back together. A question looks at the words that it shares with what it asks
// about; the answer stands beside them (S0 routes by chunks of 32 for the same reason).
inline constexpr Index kRecallChunk = 32;

// The chunks of tokens whose cold entries got the most attention, all lanes together, as many as
// `most` entries hold; the first that does not fit ends it. `evict` names the entries that come
// back, `keep` the others.
Eviction plan_recall(const cache::Cache& cold, const std::vector<std::vector<float>>& attention,
                     Index most);

}  // namespace pith
