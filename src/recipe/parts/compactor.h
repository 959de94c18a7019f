// The two halves of compactor, which are scorers of their own: leverage and non_causal. Entries
// outside [first, tokens - last) take no part and are kept.
#pragma once

#include "recipe/parts/parts.h"

namespace pith::recipe {

struct Ends {
  Index first = 0, last = 0;  // tokens
  bool contains(const cache::EntryInfo& entry, Index tokens) const {
    return entry.span.begin >= first && entry.span.end <= tokens - last;
  }
};

// Gaussian projections of a layer's heads to `size` dimensions: [Hkv, D, size], or [] for size 0.
std::vector<float> make_sketch(Index layer, Index heads, Index depth, Index size, Index seed);

// Leverage of the keys before rotation, centred and projected; standardised over the layer's heads.
void score_leverage(const Scene& scene, Index layer, Ends ends, std::span<const float> sketch,
                    std::span<std::vector<float>> lanes);

// Attention inside chunks, times the norm of the value, averaged over three neighbours;
// standardised over the layer's heads.
void score_local(const Scene& scene, Index layer, const LocalAttention& kind,
                 std::span<std::vector<float>> lanes);

// Both: lanes = weight * leverage + local attention.
void score_compactor(const Scene& scene, Index layer, const LocalAttention& kind,
                     std::span<const float> sketch, float weight,
                     std::span<std::vector<float>> lanes);

}  // namespace pith::recipe
