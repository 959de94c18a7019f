// simlayer: layers whose last queries look at sinks and recent tokens only are lazy: they need
// nothing else. The score of all other entries of a layer is minus the weight that its last queries
// give to sinks and recent tokens, so that with `threshold` a lazy layer loses them at once, and
// with `global` and a budget the laziest layers lose theirs first.

#include <algorithm>

#include "recipe/parts/parts.h"
#include "recipe/window_attention.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const Index heads = scene.shape().kv_heads, tokens = scene.signals().tokens;
  const Index sinks = arguments.integer("sinks"), recent = arguments.integer("recent");
  const Probe probe = window_probe(scene, layer, arguments.integer("last"));
  const auto near = [&](const cache::EntryInfo& entry, Index newest) {
    return entry.span.begin < sinks || entry.span.end > tokens - newest;
  };
  const Index left_out = arguments.kvpress_quirk() ? probe.rows : 0;
  const auto counts = [&](const cache::EntryInfo& entry) {
    return entry.span.end <= tokens - left_out && near(entry, recent + left_out);
  };
  double mass = 0, least = 1;  // of all rows together, and of the one that looks elsewhere the most
  for (Index head = 0; head < heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    const auto info = scene.info(lane);
    visit_attention(scene, lane, probe, [&](Index, Index, std::span<const float> weights) {
      double own = 0;
      for (std::size_t j = 0; j < weights.size(); ++j)
        if (counts(info[j])) own += double{weights[j]};
      mass += own;
      if (!weights.empty()) least = std::min(least, own);
    });
  }
  const auto share = static_cast<float>(
      scene.worst_case() ? least : mass / static_cast<double>(heads * scene.group() * probe.rows));
  const Index kept = recent - left_out;
  for (Index head = 0; head < heads; ++head) {
    const auto info = scene.info(scene.shape().lane(layer, head));
    for (std::size_t j = 0; j < info.size(); ++j)
      lanes[head][j] = near(info[j], kept) ? kForced : -share;
  }
}

}  // namespace

PartInfo simlayer_part() {
  return {
      .name = "simlayer",
      .kind = PartKind::scorer,
      .summary = "layers that look at sinks and recent tokens only lose the rest",
      .source = "SimLayerKV, arXiv 2410.13846",
      .cost = Cost::window,
      .parameters = {integer("sinks", "4", 0, 65536, "first tokens"),
                     integer("recent", "1024", 0, 1 << 20, "newest tokens"),
                     integer("last", "1", 1, 4096, "newest queries whose weights decide"),
                     quirk("kvpress leaves the weight on the `last` newest tokens out, and keeps "
                           "`last` recent tokens less in lazy layers")},
      .needs = [](const Arguments& a) { return SignalNeeds{.window_queries = a.integer("last")}; },
      .score = score,
      .default_allocator = "threshold"};
}

}  // namespace pith::recipe
