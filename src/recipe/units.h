// Units: entries of different lanes that stand for the same source tokens, for allocators that
// choose one set for all lanes. They hold no scores of their own lanes.
#pragma once

#include <vector>

#include "recipe/scene.h"

namespace pith::recipe {

struct Units {
  std::vector<cache::Span> spans;                   // ascending
  std::vector<Index> lanes;                         // of each unit: how many lanes hold it
  std::vector<std::vector<std::int32_t>> of_entry;  // [lanes][n] the unit of each entry
  Index size() const { return static_cast<Index>(spans.size()); }
};

Units make_units(const Scene& scene);

// A score per unit: every layer's scores divided by the sum of their absolute values, summed over
// lanes and layers (S2's rule, Kalugotla 2026). Protected in one lane is protected in all.
std::vector<float> unit_scores(const Scene& scene, const Units& units, const Scores& scores);

}  // namespace pith::recipe
