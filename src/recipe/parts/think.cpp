// think: the channels of kept keys that the last queries use least become zero. Stored as they are,
// zeros take the bytes of any number: it shows what could be left out, and frees nothing.
//     channel score = mean_j k_j^2 * mean over window and group of q^2

#include <algorithm>
#include <numeric>

#include "recipe/parts/parts.h"
#include "recipe/window_attention.h"

namespace pith::recipe {
namespace {

// [D] means of squares, a channel each.
std::vector<double> mean_squares(std::span<const float> rows, Index depth) {
  std::vector<double> out(static_cast<std::size_t>(depth));
  const double share = static_cast<double>(depth) / static_cast<double>(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    out[i % static_cast<std::size_t>(depth)] +=
        static_cast<double>(rows[i]) * static_cast<double>(rows[i]) * share;
  return out;
}

std::vector<double> query_squares(const Scene& scene, Index lane, Index window) {
  const Index depth = scene.shape().head_dim, head = lane % scene.shape().kv_heads;
  const Probe probe = window_probe(scene, lane / scene.shape().kv_heads, window);
  std::vector<double> sum(static_cast<std::size_t>(depth));
  for (Index g = 0; g < scene.group(); ++g) {
    const Index row = (head * scene.group() + g) * probe.stored + probe.stored - probe.rows;
    const auto mean =
        mean_squares(probe.queries.subspan(static_cast<std::size_t>(row * depth),
                                           static_cast<std::size_t>(probe.rows * depth)),
                     depth);
    for (std::size_t d = 0; d < sum.size(); ++d)
      sum[d] += mean[d] / static_cast<double>(scene.group());
  }
  return sum;
}

void prune(const Scene& scene, const Arguments& arguments, Index lane, cache::LanePlan& plan) {
  const Index depth = scene.shape().head_dim;
  const std::vector<float> keys = scene.keys(lane);
  for (std::int32_t j : plan.keep)
    plan.keys.insert(plan.keys.end(), keys.begin() + j * depth, keys.begin() + (j + 1) * depth);
  if (plan.keep.empty()) return;
  const auto size = mean_squares(plan.keys, depth);
  const auto use = query_squares(scene, lane, arguments.integer("window"));
  std::vector<Index> order(static_cast<std::size_t>(depth));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](Index a, Index b) {
    const double first = size[a] * use[a], second = size[b] * use[b];
    return first != second ? first < second : a < b;
  });
  order.resize(static_cast<std::size_t>(static_cast<double>(depth) * arguments.real("ratio")));
  for (std::size_t j = 0; j < plan.keep.size(); ++j)
    for (Index d : order) plan.keys[static_cast<Index>(j) * depth + d] = 0;
}

void realise(const Scene& scene, const Arguments& arguments, const Scores&, cache::Plan& plan) {
  scene.parallel(std::ssize(scene.lanes()), [&](Index i, int) {
    prune(scene, arguments, scene.lanes()[i], plan.lanes[scene.lanes()[i]]);
  });
}

}  // namespace

PartInfo think_part() {
  return {.name = "think",
          .kind = PartKind::realiser,
          .summary = "little used channels of kept keys become zero (which frees no bytes)",
          .source = "ThinK, arXiv 2407.21018",
          .cost = Cost::window,
          .parameters = {real("ratio", "0.5", 0, 1, "the part of the channels that goes"),
                         integer("window", "32", 1, 4096, "last queries that say what is used")},
          .needs = window_needs,
          .realise = realise,
          .late = true};
}

}  // namespace pith::recipe
