// Kept sets: which tokens of the context every lane still holds, as bitmaps. They are read off the
// cache's provenance, whatever recipe made it; nothing here knows recipes or runs a model.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/cache.h"

namespace pith::probe {

// Survival S_h(t) of S1 (Ananthanarayanan et al. 2026, arXiv 2603.01426) for H = the lanes: under
// grouped heads a (layer, KV head) is what eviction prunes.
struct KeptSets {
  Index layers = 0, kv_heads = 0, tokens = 0;  // L, Hkv, T
  std::vector<std::uint8_t> held;      // [L * Hkv, T] 1: the lane has an entry for the token
  std::vector<std::uint8_t> windowed;  // [L] 1: sliding window. Recipes leave such layers alone, so
                                       // the figures of survival do, too

  KeptSets() = default;
  KeptSets(Index layer_count, Index head_count, Index token_count);  // nothing kept, no window

  Index lane(Index layer, Index head) const { return layer * kv_heads + head; }
  bool keeps(Index lane, Index token) const {
    return held[static_cast<std::size_t>(lane * tokens + token)] != 0;
  }
  void keep(Index lane, Index token) { held[static_cast<std::size_t>(lane * tokens + token)] = 1; }
  std::vector<Index> lanes() const;             // of all layers without a window
  std::vector<Index> lanes(Index layer) const;  // none if it has one
};

// Tokens [0, tokens) that exact entries stand for. A token whose lane has only a summary over it is
// not kept.
KeptSets kept_sets(const cache::Cache& cache, Index tokens);

// The same, and those that summaries or virtual entries stand for, off one walk over the entries.
struct HeldSets {
  KeptSets exact, summarised;
};
HeldSets held_sets(const cache::Cache& cache, Index tokens);

}  // namespace pith::probe
