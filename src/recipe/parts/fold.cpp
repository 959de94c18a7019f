// fold: what goes hands its attention on to the kept entry with the most similar key. With
// w_j = s_j / s_i for each entry j that goes to i, i counts 1 + sum w times (log-weight) and its
// value becomes the weighted mean: together the softmax over both, had their keys been equal.
//     b_i += log(1 + sum w_j),   v_i <- (v_i + sum w_j v_j) / (1 + sum w_j)

#include <cmath>

#include "base/error.h"
#include "recipe/neighbours.h"
#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

constexpr float kMost = 1e13f;  // of one w: e^30, as in the original

// What a scorer protects without judging it (sinks, the window) has no share to compare with.
bool is_judged(float score) { return score > 0 && is_computed(score); }

void fold(const Scene& scene, const Arguments& arguments, Index lane, std::span<const float> scores,
          cache::LanePlan& plan) {
  const Index depth = scene.shape().head_dim;
  std::vector<bool> judged;
  for (std::int32_t j : plan.keep) judged.push_back(is_judged(scores[j]));
  std::vector<float> mass(plan.keep.size());
  std::vector<float> values = scene.values(lane), folded;
  for (std::int32_t j : plan.keep)
    folded.insert(folded.end(), values.begin() + j * depth, values.begin() + (j + 1) * depth);
  for (const Neighbour& pair : nearest_kept(scene, lane, plan, judged)) {
    const float s = scores[pair.entry];
    if (!is_judged(s)) continue;
    const float w = std::min(s / scores[plan.keep[pair.target]], kMost);
    mass[pair.target] += w;
    for (Index i = 0; i < depth; ++i)
      folded[pair.target * depth + i] += w * values[pair.entry * depth + i];
  }
  const auto arm = arguments.choice("arm");
  if (arm != "mass") {
    for (std::size_t i = 0; i < folded.size(); ++i)
      folded[i] /= 1 + mass[i / static_cast<std::size_t>(depth)];
    plan.values = std::move(folded);
  }
  if (arm == "value") return;
  for (std::size_t i = 0; i < plan.keep.size(); ++i)
    plan.log_weight.push_back(scene.info(lane)[plan.keep[i]].log_weight + std::log1p(mass[i]));
}

void realise(const Scene& scene, const Arguments& arguments, const Scores& scores,
             cache::Plan& plan) {
  for (Index lane : scene.lanes())
    for (float s : scores.plain[lane])
      if (s < 0 && s != kNever)
        fail(ErrorCode::bad_recipe,
             "fold compares scores by their ratio, but this scorer's lie below zero; take one "
             "whose scores are weights, such as kvzip_plus, snapkv or expected_attention");
  scene.parallel(std::ssize(scene.lanes()), [&](Index i, int) {
    const Index lane = scene.lanes()[i];
    fold(scene, arguments, lane, scores.plain[lane], plan.lanes[lane]);
  });
}

}  // namespace

PartInfo fold_part() {
  return {.name = "fold",
          .kind = PartKind::realiser,
          .summary = "what goes adds its mass and value to the kept entry with the nearest key",
          .source = "mass fold (kvfold preprint, October 2026)",
          .cost = Cost::keys,
          .parameters = {choice("arm", {"both", "mass", "value"},
                                "what is handed on: the log-weight, the value, or both")},
          .realise = realise,
          .late = true,
          .weighs = [](const Arguments& a) { return a.choice("arm") != "value"; }};
}

}  // namespace pith::recipe
