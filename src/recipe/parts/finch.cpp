// finch: what the question pays to each entry, its own tokens taking part in the softmax; every row
// counts by the number of tokens before it, because each weight is smaller the more there are.

#include <algorithm>

#include "recipe/parts/parts.h"
#include "recipe/window_attention.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  Probe probe = question_probe(scene, layer);
  probe.own_keys = scene.layer(layer).question_keys;
  const float share = 1 / static_cast<float>(probe.rows * scene.group());
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    std::vector<float>& out = lanes[head];
    std::fill(out.begin(), out.end(), 0.0f);
    visit_attention(scene, scene.shape().lane(layer, head), probe,
                    [&](Index, Index row, std::span<const float> weights) {
                      const float seen = arguments.flag("normalise")
                                             ? static_cast<float>(scene.signals().tokens + row)
                                             : 1.0f;
                      for (std::size_t j = 0; j < out.size(); ++j)
                        out[j] = scene.worst_case() ? std::max(out[j], weights[j] * seen)
                                                    : out[j] + weights[j] * seen * share;
                    });
  }
}

}  // namespace

PartInfo finch_part() {
  return {.name = "finch",
          .kind = PartKind::scorer,
          .summary = "attention of the question, its tokens included; survivors close up",
          .source = "FINCH, Corallo and Papotti, TACL 2024; kvpress FinchPress",
          .cost = Cost::window,
          .parameters = {flag("normalise", "true",
                              "multiply rows by the number of tokens that stand before them")},
          .needs =
              [](const Arguments&) {
                return SignalNeeds{.question_queries = true, .question_keys = true};
              },
          .score = score,
          .default_realiser = "rerotate"};
}

}  // namespace pith::recipe
