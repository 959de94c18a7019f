// reference_attention: what reference queries from behind the context pay to each entry, taken
// together over the references by root mean square (Attention Matching's choice of keys), mean or
// maximum.

#include <algorithm>
#include <cmath>

#include "recipe/parts/parts.h"
#include "recipe/references.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const References references = references_of(scene, layer, arguments);
  const std::string_view over = scene.worst_case() ? "max" : arguments.choice("over");
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head), n = scene.size(lane);
    if (n == 0) continue;
    const Index rows = scene.group() * references.count;
    std::fill(lanes[head].begin(), lanes[head].end(), 0.0f);
    for_reference_weights(scene, lane, references, [&](std::span<const float> weights) {
      for (Index i = 0; i < std::ssize(weights); ++i) {
        float& total = lanes[head][i % n];
        const float w = weights[i];
        total = over == "max" ? std::max(total, w) : total + (over == "rms" ? w * w : w);
      }
    });
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
