// raw_attention: what the last queries paid to each token before anything was compressed; an entry
// that stands for several has their sum. Behind a first stage it is S2's "pre-state": an oracle,
// since a deployment has no uncompressed cache any more.

#include <algorithm>

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments&, Index layer, std::span<std::vector<float>> lanes) {
  const Index group = scene.group(), tokens = scene.signals().tokens;
  const auto& signal = scene.layer(layer).tail_attention;
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    std::vector<float>& out = lanes[static_cast<std::size_t>(head)];
    std::fill(out.begin(), out.end(), 0.0f);
    for (Index g = 0; g < group; ++g) {
      const auto row = std::span(signal).subspan(
          static_cast<std::size_t>((head * group + g) * tokens), static_cast<std::size_t>(tokens));
      const std::vector<float> mean = scene.by_entry(lane, row);
      for (std::size_t j = 0; j < out.size(); ++j) {
        const cache::Span span = scene.info(lane)[j].span;
        const float own = mean[j] * static_cast<float>(span.end - span.begin);
        out[j] =
            scene.worst_case() ? std::max(out[j], own) : out[j] + own / static_cast<float>(group);
      }
    }
  }
}

}  // namespace

PartInfo raw_attention_part() {
  return {.name = "raw_attention",
          .kind = PartKind::scorer,
          .summary = "attention(tail) as it was before anything was compressed (S2's pre-state)",
          .source = "Kalugotla 2026 (S2, bearing-research)",
          .cost = Cost::window,
          .oracle = true,
          .parameters = {integer("window", "64", 1, 4096, "queries that count")},
          .needs =
              [](const Arguments& arguments) {
                const Index window = arguments.integer("window");
                return SignalNeeds{.window_queries = window, .tail_attention = window};
              },
          .score = score};
}

}  // namespace pith::recipe
