// reference_attention: what reference queries from behind the context pay to each entry, taken
// together over the references by root mean square (Attention Matching's choice of keys), mean or
// maximum.

#include <algorithm>
#include <cmath>

#include "recipe/matching.h"
#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const References references = references_of(scene, layer, arguments);
  const std::string_view over = arguments.choice("over");
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head), n = scene.size(lane);
    if (n == 0) continue;
    const std::vector<float> weights = reference_weights(scene, lane, references);
    const Index rows = std::ssize(weights) / n;
    std::fill(lanes[head].begin(), lanes[head].end(), 0.0f);
    for (Index r = 0; r < rows; ++r)
      for (Index j = 0; j < n; ++j) {
        float& total = lanes[head][j];
        const float w = weights[r * n + j];
        total = over == "max" ? std::max(total, w) : total + (over == "rms" ? w * w : w);
      }
    if (over == "max") continue;
    for (float& s : lanes[head]) {
      s /= static_cast<float>(rows);
      if (over == "rms") s = std::sqrt(s);
    }
  }
}

}  // namespace

PartInfo reference_attention_part() {
  return {
      .name = "reference_attention",
      .kind = PartKind::scorer,
      .summary = "attention of reference queries from behind the context",
      .source = "HighestAttn of Attention Matching, arXiv 2602.16284",
      .cost = Cost::window,
      .parameters = {choice("over", {"rms", "mean", "max"}, "how the references count together"),
                     reference_choice(), reference_count(), reference_seed()},
      .needs = reference_needs,
      .score = score};
}

}  // namespace pith::recipe
