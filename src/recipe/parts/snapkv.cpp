// snapkv: attention of the last `window` queries, averaged, smoothed along the context, mean over
// the query heads of the group; the window itself is kept.

#include <algorithm>

#include "recipe/parts/parts.h"
#include "recipe/smoothing.h"
#include "recipe/window_attention.h"

namespace pith::recipe {
namespace {

// Per scored entry the mean over query heads of their rows' mean, smoothed.
std::vector<float> mean_weights(const Scene& scene, Index lane, const Probe& probe, Index kernel,
                                std::span<const std::int32_t> scored) {
  const Index n = scene.size(lane);
  const std::vector<float> columns = attention_columns(scene, lane, probe);
  std::vector<float> cut(scored.size()), smoothed(scored.size()), mean(scored.size());
  for (Index g = 0; g < scene.group(); ++g) {
    for (std::size_t i = 0; i < scored.size(); ++i)
      cut[i] = columns[g * n + scored[i]] / static_cast<float>(probe.rows);
    smooth(cut, kernel, smoothed);
    for (std::size_t i = 0; i < scored.size(); ++i)
      mean[i] += smoothed[i] / static_cast<float>(scene.group());
  }
  return mean;
}

// The largest over query heads and rows instead, each row smoothed without loss of mass
// (DefensiveKV).
std::vector<float> worst_weights(const Scene& scene, Index lane, const Probe& probe, Index kernel,
                                 std::span<const std::int32_t> scored) {
  std::vector<float> cut(scored.size()), smoothed(scored.size()), most(scored.size());
  visit_attention(scene, lane, probe, [&](Index, Index, std::span<const float> weights) {
    float before = 0, after = 0;
    for (std::size_t i = 0; i < scored.size(); ++i) before += cut[i] = weights[scored[i]];
    smooth(cut, kernel, smoothed);
    for (float weight : smoothed) after += weight;
    const float scale = after > 0 ? before / after : 0;
    for (std::size_t i = 0; i < scored.size(); ++i)
      most[i] = std::max(most[i], smoothed[i] * scale);
  });
  return most;
}

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const Index window = arguments.integer("window"), tokens = scene.signals().tokens;
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    const Probe probe = window_probe(scene, layer, window);

    // A window that would take all the room leaves half of it to the scores.
    Index keep = window;
    const Room& room = scene.room();
    if (room.bounded && !arguments.kvpress_quirk() && room.lane[lane] <= window)
      keep = room.lane[lane] / 2;
    std::vector<std::int32_t> scored;
    for (std::int32_t j : scene.by_position(lane)) {
      lanes[head][j] = kForced;
      if (scene.info(lane)[j].span.begin < tokens - keep) scored.push_back(j);
    }
    const auto weigh = scene.worst_case() ? worst_weights : mean_weights;
    const std::vector<float> weights =
        weigh(scene, lane, probe, arguments.integer("kernel"), scored);
    for (std::size_t i = 0; i < scored.size(); ++i) lanes[head][scored[i]] = weights[i];
  }
}

}  // namespace

PartInfo snapkv_part() {
  return {
      .name = "snapkv",
      .kind = PartKind::scorer,
      .summary = "attention of the last queries, smoothed along the context; the window is kept",
      .source = "SnapKV, arXiv 2404.14469",
      .cost = Cost::window,
      .parameters = {integer("window", "64", 1, 4096, "last queries that look; kept themselves"),
                     integer("kernel", "5", 1, 63, "width of the moving average, odd"),
                     quirk("kvpress keeps the window even where the room is smaller: then nothing "
                           "but a part of the window is left. Without it the window takes half")},
      .needs = window_needs,
      .score = score,
      .refuses = refuse_even_kernel};
}

}  // namespace pith::recipe
