// leverage: keys that the other keys do not span. Keys before rotation, centred, projected to
// `sketch` dimensions: s = x' (X'X + 0.01 I)^-1 x, standardised over the heads of the layer.

#include "recipe/leverage.h"

#include <cmath>

#include "base/rng.h"
#include "recipe/parts/compactor.h"
#include "recipe/row_kernels.h"

namespace pith::recipe {
namespace {

constexpr double kRidge = 1e-2;

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const auto sketch = make_sketch(layer, scene.shape().kv_heads, scene.shape().head_dim,
                                  arguments.integer("sketch"), arguments.integer("seed"));
  score_leverage(scene, layer, {}, sketch, lanes);
}

}  // namespace

std::vector<float> make_sketch(Index layer, Index heads, Index depth, Index size, Index seed) {
  if (size >= depth) size = 0;  // nothing to gain
  Rng rng(static_cast<std::uint64_t>(seed) * 0x10001u + static_cast<std::uint64_t>(layer));
  std::vector<float> out(static_cast<std::size_t>(heads * depth * size));
  for (float& x : out) x = static_cast<float>(rng.normal() / std::sqrt(static_cast<double>(size)));
  return out;
}

void score_leverage(const Scene& scene, Index layer, Ends ends, std::span<const float> sketch,
                    std::span<std::vector<float>> lanes) {
  const Index depth = scene.shape().head_dim, heads = scene.shape().kv_heads;
  for (Index head = 0; head < heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    const auto info = scene.info(lane);
    const std::vector<float> keys = unrotated_keys(scene, lane);
    std::vector<std::int32_t> members;
    std::vector<double> mean(static_cast<std::size_t>(depth));
    for (std::int32_t j = 0; j < std::ssize(info); ++j) {
      lanes[head][j] = kForced;
      if (!ends.contains(info[j], scene.signals().tokens)) continue;
      members.push_back(j);
      for (Index i = 0; i < depth; ++i) mean[i] += double{keys[j * depth + i]};
    }
    std::vector<float> rows;
    for (std::int32_t j : members)
      for (Index i = 0; i < depth; ++i)
        rows.push_back(
            static_cast<float>(double{keys[j * depth + i]} - mean[i] / std::ssize(members)));
    Index size = depth;
    if (!sketch.empty()) {
      size = std::ssize(sketch) / (heads * depth);
      rows = product(rows, std::ssize(rows) / depth,
                     sketch.subspan(static_cast<std::size_t>(head * depth * size),
                                    static_cast<std::size_t>(depth * size)),
                     size);
    }
    const std::vector<float> found = leverage(rows, size, kRidge);
    for (std::size_t i = 0; i < members.size(); ++i) lanes[head][members[i]] = found[i];
  }
  standardise(lanes);
}

PartInfo leverage_part() {
  return {
      .name = "leverage",
      .kind = PartKind::scorer,
      .summary = "keys (before rotation) that the other keys do not span",
      .source = "Compactor, arXiv 2507.08143",
      .cost = Cost::keys,
      .parameters = {integer("sketch", "48", 0, 65536,
                             "dimensions of a random projection; 0, or as many as the head has: "
                             "none"),
                     integer("seed", "0", 0, 0x1p52, "of the projection")},
      .score = score};
}

}  // namespace pith::recipe
