#include "probe/kept.h"

#include <algorithm>

namespace pith::probe {
KeptSets::KeptSets(Index layer_count, Index head_count, Index token_count)
    : layers(layer_count),
      kv_heads(head_count),
      tokens(token_count),
      held(static_cast<std::size_t>(layer_count * head_count * token_count)),
      windowed(static_cast<std::size_t>(layer_count)) {}

std::vector<Index> KeptSets::lanes(Index layer) const {
  std::vector<Index> result;
  if (windowed[static_cast<std::size_t>(layer)]) return result;
  for (Index head = 0; head < kv_heads; ++head) result.push_back(lane(layer, head));
  return result;
}

std::vector<Index> KeptSets::lanes() const {
  std::vector<Index> result;
  for (Index layer = 0; layer < layers; ++layer)
    for (Index one : lanes(layer)) result.push_back(one);
  return result;
}

KeptSets kept_sets(const cache::Cache& cache, Index tokens) {
  return held_sets(cache, tokens).exact;
}

HeldSets held_sets(const cache::Cache& cache, Index tokens) {
  const cache::Shape& shape = cache.shape();
  HeldSets sets;
  for (KeptSets* part : {&sets.exact, &sets.summarised}) {
    *part = KeptSets(shape.layers, shape.kv_heads, tokens);
    for (Index layer = 0; layer < shape.layers; ++layer)
      part->windowed[static_cast<std::size_t>(layer)] = shape.window(layer) > 0;
  }
  for (Index lane = 0; lane < shape.lanes(); ++lane)
    for (const cache::EntryInfo& entry : cache.read_info(lane)) {
      KeptSets& part = entry.kind == cache::EntryKind::exact ? sets.exact : sets.summarised;
      for (Index t = entry.span.begin; t < std::min<Index>(entry.span.end, tokens); ++t)
        part.keep(lane, t);
    }
  return sets;
}

}  // namespace pith::probe
