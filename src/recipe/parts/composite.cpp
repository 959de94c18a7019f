// composite: all heads of a layer keep equally many, and layers compete. The r-th best entries of a
// layer's heads form a composite entry whose score is their mean; one cut through the composite
// entries of all layers says how many ranks each layer keeps.

#include <algorithm>
#include <functional>

#include "recipe/parts/parts.h"
#include "recipe/select.h"

namespace pith::recipe {
namespace {

// The mean score of each rank over the heads of a layer, as far as all of them reach.
std::vector<float> rank_scores(const Scene& scene, const Scores& scores, Index layer) {
  const Index heads = scene.shape().kv_heads;
  std::vector<std::vector<float>> sorted(scores.lanes.begin() + layer * heads,
                                         scores.lanes.begin() + (layer + 1) * heads);
  std::size_t ranks = sorted.front().size();
  for (auto& lane : sorted) {
    std::erase(lane, kNever);
    std::sort(lane.begin(), lane.end(), std::greater<>());
    ranks = std::min(ranks, lane.size());
  }
  std::vector<float> out(ranks);
  for (std::size_t r = 0; r < ranks; ++r) {
    bool pinned = false;
    double sum = 0;
    for (const auto& lane : sorted) {
      pinned |= is_protected(lane[r]);
      sum += double{std::min(lane[r], kForced)};
    }
    // A rank that holds a protected entry comes before all that are computed.
    out[r] = pinned ? kForced : static_cast<float>(sum / static_cast<double>(heads));
  }
  return out;
}

Selection allocate(const Scene& scene, const Arguments& arguments, const Scores& scores) {
  const Index heads = scene.shape().kv_heads;
  Scores ranks;  // one row per layer
  std::vector<Index> rows;
  for (Index layer : scene.layers()) {
    rows.push_back(std::ssize(rows));
    ranks.lanes.push_back(rank_scores(scene, scores, layer));
  }
  if (arguments.kvpress_quirk() && !rows.empty())
    for (const auto& row : ranks.lanes)
      for (std::size_t r = 0; r < std::min(row.size(), ranks.lanes[0].size()); ++r)
        ranks.lanes[0][r] = std::max(ranks.lanes[0][r], row[r]);
  Selection chosen, selection;
  chosen.keep.resize(rows.size());
  const std::vector<Index> none(rows.size());
  best_jointly(ranks, rows, scene.room().total / heads, none, chosen);
  selection.keep.resize(scores.lanes.size());
  for (Index i = 0; i < std::ssize(rows); ++i)
    for (Index head = 0; head < heads; ++head) {
      const Index lane = scene.shape().lane(scene.layers()[i], head);
      selection.keep[lane] = best_entries(scores.lanes[lane], std::ssize(chosen.keep[i]));
    }
  return selection;
}

}  // namespace

PartInfo composite_part() {
  return {.name = "composite",
          .kind = PartKind::allocator,
          .summary = "layers compete by the mean of their heads' ranks; heads keep equally many",
          .source = "KVCompose, arXiv 2509.05165",
          .cost = Cost::columns,
          .parameters = {quirk("kvpress gives the first layer the best score of all layers at each "
                               "rank, so that it keeps nearly everything")},
          .allocate = allocate};
}

}  // namespace pith::recipe
