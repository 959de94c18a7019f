// dropkv: how far the outputs of the last queries move if an entry goes. Without entry j the
// softmax of row i renormalises, exactly: o_i' - o_i = p_ij / (1 - p_ij) (o_i - v_j). Hence, with
// w = (p / (1 - p))^2,
//     s_j = sum_i w_ij ||v_j - o_i||^2
//         = ||v_j||^2 sum_i w_ij - 2 v_j . sum_i w_ij o_i + sum_i w_ij ||o_i||^2
// mean over the group (defensive: maximum), smoothed along the context; the window itself is kept.

#include <algorithm>

#include "recipe/parts/parts.h"
#include "recipe/row_kernels.h"
#include "recipe/smoothing.h"
#include "recipe/window_attention.h"

namespace pith::recipe {
namespace {

constexpr float kLeast = 1e-6f;  // keeps 1 - p from vanishing

// s of one query head, [n], for p [rows, n].
std::vector<float> errors(std::span<const float> weights, Index rows, std::span<const float> values,
                          Index depth) {
  const Index n = std::ssize(values) / depth;
  const std::vector<float> outputs = product(weights, rows, values, depth);  // o [rows, D]
  std::vector<float> by_entry(weights.size());                               // w [n, rows]
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < n; ++j) {
      const float odds = weights[i * n + j] / (1 - weights[i * n + j] + kLeast);
      by_entry[j * rows + i] = odds * odds;
    }
  const std::vector<float> pulled = product(by_entry, n, outputs, depth);
  std::vector<float> squares;
  for (Index i = 0; i < rows; ++i)
    squares.push_back(dot(&outputs[i * depth], &outputs[i * depth], depth));
  std::vector<float> out;
  for (Index j = 0; j < n; ++j) {
    const float* value = values.data() + j * depth;
    float total = 0, own = 0;
    for (Index i = 0; i < rows; ++i) {
      total += by_entry[j * rows + i];
      own += by_entry[j * rows + i] * squares[i];
    }
    const float error =
        dot(value, value, depth) * total - 2 * dot(value, &pulled[j * depth], depth) + own;
    out.push_back(std::max(error, 0.0f));
  }
  return out;
}

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const Index depth = scene.shape().head_dim, window = arguments.integer("window");
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head), n = scene.size(lane);
    const Probe probe = window_probe(scene, layer, window);
    const std::vector<float> values = scene.values(lane);
    std::vector<float> together(static_cast<std::size_t>(n)), weights;
    visit_attention(scene, lane, probe, [&](Index, Index row, std::span<const float> line) {
      weights.insert(weights.end(), line.begin(), line.end());
      if (row + 1 < probe.rows) return;
      const std::vector<float> own = errors(weights, probe.rows, values, depth);
      for (Index j = 0; j < n; ++j)
        together[j] = scene.worst_case() ? std::max(together[j], own[j]) : together[j] + own[j];
      weights.clear();
    });
    const auto heads = static_cast<float>(scene.worst_case() ? 1 : scene.group());
    Index keep = window;  // a window that would take all the room leaves half of it to the scores
    if (scene.room().bounded && scene.room().lane[lane] <= window)
      keep = scene.room().lane[lane] / 2;
    std::vector<std::int32_t> scored;
    std::vector<float> cut;
    for (std::int32_t j : scene.by_position(lane)) {
      lanes[head][j] = kForced;
      if (scene.info(lane)[j].span.begin >= scene.signals().tokens - keep) continue;
      scored.push_back(j);
      cut.push_back(together[j] / heads);
    }
    std::vector<float> smoothed(cut.size());
    smooth(cut, arguments.integer("kernel"), smoothed);
    for (std::size_t i = 0; i < scored.size(); ++i) lanes[head][scored[i]] = smoothed[i];
  }
}

}  // namespace

PartInfo dropkv_part() {
  return {.name = "dropkv",
          .kind = PartKind::scorer,
          .summary = "how far the last queries' outputs move if the entry goes; the window is kept",
          .source = "DropKV, OpenReview MqfNzH3TVH",
          .cost = Cost::window,
          .parameters = {integer("window", "32", 1, 4096, "last queries; kept themselves"),
                         integer("kernel", "7", 1, 63, "width of the moving average, odd")},
          .needs = window_needs,
          .score = score,
          .refuses = refuse_even_kernel};
}

}  // namespace pith::recipe
