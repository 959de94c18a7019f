// cam: the value of what goes is spread over the kept entries that follow it, with a probability
// that grows with the attention it received: p = A_i / mean A of these, at most 1 (CaM).

#include <algorithm>

#include "base/rng.h"
#include "recipe/neighbours.h"
#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

// Attention received in the prefill, mean over the group, per entry.
std::vector<float> received(const Scene& scene, Index lane) {
  const Index tokens = scene.signals().tokens, group = scene.group();
  const Index head = lane % scene.shape().kv_heads;
  const auto& signal = scene.layer(lane / scene.shape().kv_heads).attention_sum;
  std::vector<float> mean(static_cast<std::size_t>(tokens));
  group_mean(std::span(signal).subspan(static_cast<std::size_t>(head * group * tokens),
                                       static_cast<std::size_t>(group * tokens)),
             group, mean);
  return scene.by_entry(lane, mean);
}

// 0 / 0 is nothing to merge, anything else / 0 certainly is.
double probability(double attention, double mean) {
  if (attention <= 0) return 0;
  return mean > 0 ? std::min(attention / mean, 1.0) : 1.0;
}

void spread(const Scene& scene, const Arguments& arguments, Index lane, cache::LanePlan& plan) {
  const Index depth = scene.shape().head_dim;
  const std::vector<float> attention = received(scene, lane), values = scene.values(lane);
  for (std::int32_t j : plan.keep)
    plan.values.insert(plan.values.end(), values.begin() + j * depth,
                       values.begin() + (j + 1) * depth);
  // Kept entries by position, as indices into plan.keep.
  std::vector<std::int32_t> following;
  for (std::int32_t j : scene.by_position(lane)) {
    const auto found = std::lower_bound(plan.keep.begin(), plan.keep.end(), j);
    if (found != plan.keep.end() && *found == j)
      following.push_back(static_cast<std::int32_t>(found - plan.keep.begin()));
  }
  Rng rng(static_cast<std::uint64_t>(arguments.integer("seed")) * 0x10001u +
          static_cast<std::uint64_t>(lane));
  for (std::int32_t j : evicted(scene.size(lane), plan.keep)) {
    const float position = scene.info(lane)[j].position;
    const auto first = std::upper_bound(
        following.begin(), following.end(), position,
        [&](float p, std::int32_t i) { return p < scene.info(lane)[plan.keep[i]].position; });
    const auto last = first + std::min(arguments.integer("window"), following.end() - first);
    if (first == last) continue;
    const double count = static_cast<double>(last - first);
    double mean = 0;
    for (auto i = first; i != last; ++i) mean += attention[plan.keep[*i]] / count;
    const double p = probability(attention[j], mean);
    const bool draw = arguments.choice("weight") == "draw";
    const double weight = (draw ? (rng.uniform() < p ? 1.0 : 0.0) : p) / count;
    for (auto i = first; i != last; ++i)
      for (Index d = 0; d < depth; ++d)
        plan.values[*i * depth + d] += static_cast<float>(weight) * values[j * depth + d];
  }
}

void realise(const Scene& scene, const Arguments& arguments, const Scores&, cache::Plan& plan) {
  scene.parallel(std::ssize(scene.lanes()), [&](Index i, int) {
    spread(scene, arguments, scene.lanes()[i], plan.lanes[scene.lanes()[i]]);
  });
}

}  // namespace

PartInfo cam_part() {
  return {
      .name = "cam",
      .kind = PartKind::realiser,
      .summary = "what goes adds its value to the kept entries that follow it, at random",
      .source = "CaM (Zhang et al., ICML 2024); kvpress CAMPress",
      .cost = Cost::prefill,
      .parameters = {integer("window", "32", 1, 4096, "kept entries that share the value"),
                     choice("weight", {"draw", "mean"},
                            "draw whether to merge with probability p, or always with weight p"),
                     integer("seed", "0", 0, 0x1p52, "of the draws")},
      .needs = [](const Arguments&) { return SignalNeeds{.attention_sum = true}; },
      .realise = realise,
      .late = true};
}

}  // namespace pith::recipe
