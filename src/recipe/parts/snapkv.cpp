// snapkv: attention of the last `window` queries, averaged, smoothed along the context, mean over
// the query heads of the group; the window itself is kept.

#include <algorithm>

#include "recipe/parts/parts.h"
#include "recipe/smoothing.h"
#include "recipe/window_attention.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const Index window = arguments.integer("window"), tokens = scene.signals().tokens;
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head), n = scene.size(lane);
    const Probe probe = window_probe(scene, layer, window);
    const std::vector<float> columns = attention_columns(scene, lane, probe);

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
    std::vector<float> cut(scored.size()), smoothed(scored.size()), mean(scored.size());
    for (Index g = 0; g < scene.group(); ++g) {
      for (std::size_t i = 0; i < scored.size(); ++i)
        cut[i] = columns[g * n + scored[i]] / static_cast<float>(probe.rows);
      smooth(cut, arguments.integer("kernel"), smoothed);
      for (std::size_t i = 0; i < scored.size(); ++i)
        mean[i] += smoothed[i] / static_cast<float>(scene.group());
    }
    for (std::size_t i = 0; i < scored.size(); ++i) lanes[head][scored[i]] = mean[i];
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
      .needs =
          [](const Arguments& arguments) {
            return SignalNeeds{.window_queries = arguments.integer("window")};
          },
      .score = score,
      .refuses = [](const Arguments& arguments) -> std::string_view {
        return arguments.integer("kernel") % 2 == 0 ? "kernel must be odd" : "";
      }};
}

}  // namespace pith::recipe
