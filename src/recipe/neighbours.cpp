#include "recipe/neighbours.h"

#include <algorithm>
#include <cmath>

#include "recipe/parts/parts.h"
#include "recipe/row_kernels.h"

namespace pith::recipe {
namespace {

// Rows of unit length; a zero row stays zero.
std::vector<float> unit_rows(std::span<const float> keys, std::span<const std::int32_t> rows,
                             Index depth) {
  std::vector<float> out;
  out.reserve(rows.size() * static_cast<std::size_t>(depth));
  for (std::int32_t j : rows) {
    const float* key = keys.data() + j * depth;
    const float scale = 1 / std::max(std::sqrt(dot(key, key, depth)), 1e-6f);
    for (Index i = 0; i < depth; ++i) out.push_back(key[i] * scale);
  }
  return out;
}

}  // namespace

std::vector<std::int32_t> evicted(Index n, std::span<const std::int32_t> keep) {
  std::vector<std::int32_t> out;
  auto next = keep.begin();
  for (std::int32_t j = 0; j < n; ++j)
    next != keep.end() && *next == j ? void(++next) : out.push_back(j);
  return out;
}

std::vector<Neighbour> nearest_kept(const Scene& scene, Index lane, const cache::LanePlan& plan,
                                    const std::vector<bool>& allowed) {
  constexpr Index kBlock = 16;
  const Index depth = scene.shape().head_dim;
  std::vector<std::int32_t> targets, positions;  // entries, and where they stand in plan.keep
  for (std::int32_t i = 0; i < std::ssize(plan.keep); ++i)
    if (allowed.empty() || allowed[static_cast<std::size_t>(i)]) {
      targets.push_back(plan.keep[i]);
      positions.push_back(i);
    }
  std::vector<Neighbour> out;
  if (targets.empty()) return out;
  const std::vector<float> keys = scene.keys(lane);
  const Index count = std::ssize(targets);
  const Panels panels(unit_rows(keys, targets, depth), count, depth);
  const Index stride = panels.count * kPanel;
  const std::vector<std::int32_t> going = evicted(scene.size(lane), plan.keep);
  const std::vector<float> rows = unit_rows(keys, going, depth);
  std::vector<float> cosines(static_cast<std::size_t>(kBlock * stride));
  for (Index first = 0; first < std::ssize(going); first += kBlock) {
    const Index block = std::min(kBlock, std::ssize(going) - first);
    row_kernels().multiply(rows.data() + first * depth, block, panels.data.data(), panels.count,
                           depth, cosines.data(), stride);
    for (Index r = 0; r < block; ++r) {
      const float* line = cosines.data() + r * stride;
      const Index best = std::max_element(line, line + count) - line;
      out.push_back({going[first + r], positions[best], line[best]});
    }
  }
  return out;
}

}  // namespace pith::recipe
