// Neighbours: for each entry that goes, the kept one with the most similar key, for realisers that
// hand something on. It changes nothing.
#pragma once

#include <vector>

#include "cache/plan.h"
#include "recipe/scene.h"

namespace pith::recipe {

struct Neighbour {
  std::int32_t entry = 0;   // that goes
  std::int32_t target = 0;  // index into plan.keep
  float cosine = 0;
};

// One for each entry of the lane that plan.keep does not name; none if no kept entry may be a
// target. `allowed` is [keep], or empty for all. Ties go to the earlier target.
std::vector<Neighbour> nearest_kept(const Scene& scene, Index lane, const cache::LanePlan& plan,
                                    const std::vector<bool>& allowed = {});

// The entries of a lane that `keep` does not name.
std::vector<std::int32_t> evicted(Index n, std::span<const std::int32_t> keep);

}  // namespace pith::recipe
