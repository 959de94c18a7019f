// surprisal: tokens that the model could have guessed count less, those that it could not (names,
// numbers, identifiers) more. s_j <- s_j * ((u_j + 1) / (mean u + 1))^power with u in nats, the
// largest in a small window: copying a surprising span needs its neighbours too (QuerySpan).

#include <algorithm>
#include <cmath>
#include <numeric>

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

std::vector<float> weights(const Scene& scene, const Arguments& arguments) {  // [T]
  const auto& surprisal = scene.signals().surprisal;
  const Index n = std::ssize(surprisal), reach = arguments.integer("window") / 2;
  const double mean = std::reduce(surprisal.begin(), surprisal.end(), 0.0) / static_cast<double>(n);
  std::vector<float> out;
  for (Index t = 0; t < n; ++t) {
    const auto from = surprisal.begin() + std::max<Index>(t - reach, 0);
    const auto to = surprisal.begin() + std::min(t + reach + 1, n);
    const double u = *std::max_element(from, to);
    out.push_back(static_cast<float>(std::pow((u + 1) / (mean + 1), arguments.real("power"))));
  }
  return out;
}

void adjust(const Scene& scene, const Arguments& arguments, Scores& scores) {
  const std::vector<float> by_token = weights(scene, arguments);
  for (Index lane : scene.lanes()) {
    const std::vector<float> weight = scene.by_entry(lane, by_token);
    for (std::size_t j = 0; j < weight.size(); ++j) {
      float& s = scores.lanes[lane][j];
      if (is_computed(s)) s = weighted(s, weight[j]);
    }
  }
}

}  // namespace

PartInfo surprisal_part() {
  return {.name = "surprisal",
          .kind = PartKind::adjuster,
          .summary = "tokens that the model did not expect count more",
          .source = "QuerySpan's weight, without its question; Kalugotla 2026 (S2)",
          .cost = Cost::logits,
          .parameters = {real("power", "1", 0, 4, "how much more; 0 changes nothing"),
                         integer("window", "3", 1, 63,
                                 "tokens over which the largest surprisal counts, odd")},
          .needs = [](const Arguments&) { return SignalNeeds{.surprisal = true}; },
          .adjust = adjust,
          .refuses = [](const Arguments& arguments) -> std::string_view {
            return arguments.integer("window") % 2 == 0 ? "window must be odd" : "";
          }};
}

}  // namespace pith::recipe
