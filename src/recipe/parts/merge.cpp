// merge: the value of what goes is blended into the kept entry with the most similar key; keys
// stay.
//     w_j = max(cos, 0) ||v_j|| / (||v_j|| + ||v_i||),   v_i <- (v_i + sum w_j v_j) / (1 + sum w_j)

#include <algorithm>
#include <cmath>

#include "recipe/neighbours.h"
#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

// The similarity from which on pairs are blended: of all, `fraction` are (at least one).
float least_cosine(const std::vector<Neighbour>& pairs, double threshold, double fraction) {
  if (pairs.empty() || fraction == 1) return static_cast<float>(threshold);
  std::vector<float> cosines;
  for (const Neighbour& pair : pairs) cosines.push_back(pair.cosine);
  std::sort(cosines.begin(), cosines.end());
  const auto rank =
      static_cast<std::size_t>(std::ceil((1 - fraction) * static_cast<double>(cosines.size() - 1)));
  return std::max(static_cast<float>(threshold), cosines[rank]);
}

void blend(const Scene& scene, const Arguments& arguments, Index lane, cache::LanePlan& plan) {
  constexpr float kLeast = 1e-6f;
  const Index depth = scene.shape().head_dim;
  const std::vector<Neighbour> pairs = nearest_kept(scene, lane, plan);
  if (pairs.empty()) return;
  const float least = least_cosine(pairs, arguments.real("threshold"), arguments.real("fraction"));
  const std::vector<float> values = scene.values(lane);
  const auto norm = [&](std::int32_t j) {
    const float* value = values.data() + j * depth;
    return std::sqrt(dot(value, value, depth));
  };
  std::vector<float> weight(plan.keep.size());
  for (std::int32_t j : plan.keep)
    plan.values.insert(plan.values.end(), values.begin() + j * depth,
                       values.begin() + (j + 1) * depth);
  for (const Neighbour& pair : pairs) {
    if (pair.cosine < least || pair.cosine <= 0) continue;
    const float own = norm(pair.entry), other = norm(plan.keep[pair.target]);
    const float w = pair.cosine * own / (own + other + kLeast);
    weight[pair.target] += w;
    for (Index i = 0; i < depth; ++i)
      plan.values[pair.target * depth + i] += w * values[pair.entry * depth + i];
  }
  for (std::size_t i = 0; i < plan.values.size(); ++i)
    plan.values[i] /= 1 + weight[i / static_cast<std::size_t>(depth)];
}

void realise(const Scene& scene, const Arguments& arguments, const Scores&, cache::Plan& plan) {
  scene.parallel(std::ssize(scene.lanes()), [&](Index i, int) {
    blend(scene, arguments, scene.lanes()[i], plan.lanes[scene.lanes()[i]]);
  });
}

}  // namespace

PartInfo merge_part() {
  return {.name = "merge",
          .kind = PartKind::realiser,
          .summary = "what goes blends its value into the kept entry with the nearest key",
          .source = "kvpress MergingPress; D2O, arXiv 2406.13035",
          .cost = Cost::keys,
          .parameters = {real("threshold", "0", 0, 1, "least cosine between the keys"),
                         real("fraction", "1", 0.001, 1,
                              "the part of what goes, by cosine, that is blended")},
          .realise = realise,
          .late = true};
}

}  // namespace pith::recipe
