// defensive: judge each entry by its worst case. Scorers take the maximum over queries and query
// heads where they would average; no entry counts less than the mean of its lane, the prior risk;
// and what is lost with an entry grows with its value behind the output projection.
//     s_j <- max(s_j, mean_i s_i) * p_j,   p_j = ||Wo v_j||_1 / its mean over the layer

#include <algorithm>

#include "base/error.h"
#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

// The mean of the layer's projected values; entries of all lanes count alike.
float layer_mean(std::span<const std::vector<float>> lanes) {
  double sum = 0;
  std::size_t count = 0;
  for (const auto& lane : lanes) {
    for (float x : lane) sum += x;
    count += lane.size();
  }
  return sum > 0 ? static_cast<float>(sum / static_cast<double>(count)) : 1.0f;
}

float lane_mean(std::span<const float> scores) {
  double sum = 0;
  Index count = 0;
  for (float s : scores)
    if (is_computed(s)) {
      sum += s;
      ++count;
    }
  return count > 0 ? static_cast<float>(sum / static_cast<double>(count)) : kNever;
}

// A power of two far beyond what scores differ by: the order of what is raised stays as it was.
constexpr float kRaise = 0x1p60f;

// The entries that together hold `coverage` of the lane's score go before all others, as far as the
// lane's equal share reaches.
void raise_covering(std::span<const float> before, double coverage, Index share,
                    std::vector<float>& scores) {
  std::vector<std::int32_t> order;
  double total = 0;
  for (std::int32_t j = 0; j < std::ssize(before); ++j) {
    if (!is_computed(before[j])) continue;
    if (before[j] < 0)
      fail(ErrorCode::bad_recipe,
           "defensive(coverage): parts of a sum need scores of at least 0, and this scorer gives "
           "some below; take one whose scores are weights (snapkv, kvzip_plus), or leave coverage "
           "out");
    order.push_back(j);
    total += before[j];
  }
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return before[a] != before[b] ? before[a] > before[b] : a > b;
  });
  double held = 0;
  for (std::int32_t j : order) {
    if (held >= coverage * total || share-- <= 0) break;
    held += before[j];
    scores[j] = std::min(scores[j] * kRaise, 0x1p126f);  // below what is protected
  }
}

void adjust(const Scene& scene, const Arguments& arguments, Scores& scores) {
  const Index heads = scene.shape().kv_heads, tokens = scene.signals().tokens;
  const std::vector<std::vector<float>> before = scores.lanes;
  for (Index layer : scene.layers()) {
    const auto signal = std::span(scene.layer(layer).projected_values);
    std::vector<std::vector<float>> sizes;
    for (Index head = 0; head < heads; ++head)
      sizes.push_back(scene.by_entry(scene.shape().lane(layer, head),
                                     signal.subspan(static_cast<std::size_t>(head * tokens),
                                                    static_cast<std::size_t>(tokens))));
    const float scale = 1 / layer_mean(sizes);
    for (Index head = 0; head < heads; ++head) {
      auto& own = scores.lanes[scene.shape().lane(layer, head)];
      const float prior = arguments.flag("floor") ? lane_mean(own) : kNever;
      for (std::size_t j = 0; j < own.size(); ++j) {
        if (!is_computed(own[j])) continue;
        own[j] = weighted(std::max(own[j], prior), sizes[head][j] * scale);
      }
    }
  }
  if (arguments.real("coverage") == 0) return;
  for (Index lane : scene.lanes())
    raise_covering(before[lane], arguments.real("coverage"), scene.share(lane, scene.size(lane)),
                   scores.lanes[lane]);
}

}  // namespace

PartInfo defensive_part() {
  return {.name = "defensive",
          .kind = PartKind::adjuster,
          .summary = "worst case instead of mean, no entry below its lane's mean, values weighed",
          .source = "DefensiveKV, arXiv 2510.13334",
          .cost = Cost::values,
          .parameters = {flag("floor", "true", "no score below the mean of its lane"),
                         real("coverage", "0", 0, 1,
                              "entries that together hold this part of their lane's score go "
                              "first, as far as its equal share reaches (0.9 in the source)")},
          .needs = [](const Arguments&) { return SignalNeeds{.projected_values = true}; },
          .adjust = adjust,
          .worst_case = true};
}

}  // namespace pith::recipe
