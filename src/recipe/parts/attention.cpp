// attention: what the prefill's own queries paid to each token: summed (H2O), at most, or only by
// the last ones.

#include <algorithm>

#include "recipe/parts/parts.h"
#include "recipe/window_attention.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const auto mode = arguments.choice("mode");
  const Index group = scene.group(), tokens = scene.signals().tokens;
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    std::vector<float>& out = lanes[head];
    if (mode == "tail") {
      const auto probe = window_probe(scene, layer, arguments.integer("window"));
      group_score(scene, attention_columns(scene, lane, probe), out);
      if (arguments.flag("normalise"))
        for (std::size_t j = 0; j < out.size(); ++j)
          out[j] /=
              static_cast<float>(std::min(probe.rows, tokens - scene.info(lane)[j].span.end + 1));
    } else {
      const auto& signal =
          mode == "sum" ? scene.layer(layer).attention_sum : scene.layer(layer).attention_max;
      std::fill(out.begin(), out.end(), 0.0f);
      for (Index g = 0; g < group; ++g) {
        const auto row =
            std::span(signal).subspan(static_cast<std::size_t>((head * group + g) * tokens),
                                      static_cast<std::size_t>(tokens));
        const std::vector<float> received = scene.by_entry(lane, row);
        for (std::size_t j = 0; j < out.size(); ++j)
          out[j] = mode == "max" || scene.worst_case()
                       ? std::max(out[j], received[j])
                       : out[j] + received[j] / static_cast<float>(group);
      }
    }
    if (mode != "sum" || !arguments.flag("normalise")) continue;
    const auto info = scene.info(lane);
    for (std::size_t j = 0; j < out.size(); ++j)
      out[j] /= static_cast<float>(tokens) -
                0.5f * static_cast<float>(info[j].span.begin + info[j].span.end - 1);
  }
}

SignalNeeds needs(const Arguments& arguments) {
  SignalNeeds needs;
  const auto mode = arguments.choice("mode");
  if (mode == "sum") needs.attention_sum = true;
  if (mode == "max") needs.attention_max = true;
  if (mode == "tail") needs.window_queries = arguments.integer("window");
  return needs;
}

std::string_view refuses(const Arguments& arguments) {
  return arguments.choice("mode") == "max" && arguments.flag("normalise")
             ? "normalise divides a sum by the queries in it, and a maximum is none; take mode sum "
               "or tail"
             : "";
}

}  // namespace

PartInfo attention_part() {
  return {
      .name = "attention",
      .kind = PartKind::scorer,
      .summary = "attention received during the prefill; the importance pass of S0",
      .source = "H2O, arXiv 2306.14048; Normore (S0)",
      .cost = Cost::prefill,
      .parameters =
          {choice("mode", {"sum", "max", "tail"},
                  "over all context queries: their sum (mean over the query heads of a group), "
                  "their maximum (also over the group), or the sum over the last `window` only"),
           integer("window", "64", 1, 4096, "queries that count in mode tail"),
           flag("normalise", "false",
                "divide sums by the number of their queries that could see the token "
                "(observed_attention)")},
      .needs = needs,
      .score = score,
      .refuses = refuses};
}

}  // namespace pith::recipe
