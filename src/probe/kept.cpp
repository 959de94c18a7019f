#include "probe/kept.h"

#include <algorithm>

namespace pith::probe {
namespace {

KeptSets sets_of(const cache::Cache& cache, Index tokens, bool exact) {
  const cache::Shape& shape = cache.shape();
  KeptSets sets(shape.layers, shape.kv_heads, tokens);
  for (Index layer = 0; layer < shape.layers; ++layer)
    sets.windowed[static_cast<std::size_t>(layer)] = shape.window(layer) > 0;
  for (Index lane = 0; lane < shape.lanes(); ++lane)
    for (const cache::EntryInfo& entry : cache.read_info(lane)) {
      if ((entry.kind == cache::EntryKind::exact) != exact) continue;
      for (Index t = entry.span.begin; t < std::min<Index>(entry.span.end, tokens); ++t)
        sets.keep(lane, t);
    }
  return sets;
}

}  // namespace

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

KeptSets kept_sets(const cache::Cache& cache, Index tokens) { return sets_of(cache, tokens, true); }

KeptSets summarised_sets(const cache::Cache& cache, Index tokens) {
  return sets_of(cache, tokens, false);
}

}  // namespace pith::probe
