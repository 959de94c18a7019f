// kvzap: the logarithm of kvzip_plus' score, predicted from the hidden state of the token by a
// ridge regression that was calibrated once per model. With `threshold` it decides token by token.

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const Index tokens = scene.signals().tokens;
  const std::span<const float> signal = scene.layer(layer).kvzap;
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    const auto info = scene.info(lane);
    lanes[head] = scene.by_entry(lane, signal.subspan(static_cast<std::size_t>(head * tokens),
                                                      static_cast<std::size_t>(tokens)));
    for (std::size_t j = 0; j < info.size(); ++j)
      if (info[j].span.begin < arguments.integer("sinks") ||
          info[j].span.end > tokens - arguments.integer("recent"))
        lanes[head][j] = kForced;
  }
}

}  // namespace

PartInfo kvzap_part() {
  return {.name = "kvzap",
          .kind = PartKind::scorer,
          .summary = "kvzip_plus' score predicted from hidden states (pith calibrate)",
          .source = "KVzap, arXiv 2601.07891",
          .cost = Cost::columns,
          .parameters = {integer("sinks", "4", 0, 1024, "first tokens that are kept"),
                         integer("recent", "0", 0, 65536,
                                 "newest tokens that are kept (the paper: 128)")},
          .needs = [](const Arguments&) { return SignalNeeds{.kvzap = true}; },
          .score = score,
          .default_allocator = "global"};
}

}  // namespace pith::recipe
