// kvzip_plus: kvzip with rows divided by the norm of the hidden state and columns multiplied by
// ||Wo v||, which makes scores comparable between layers.

#include "recipe/parts/replay.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  score_replay(scene, arguments, layer, scene.layer(layer).replay_plus, lanes);
}

}  // namespace

PartInfo kvzip_plus_part() {
  return {.name = "kvzip_plus",
          .kind = PartKind::scorer,
          .summary = "kvzip with scores made comparable between layers",
          .source = "KVzap, arXiv 2601.07891; kvpress KVzipPress",
          .cost = Cost::replay,
          .parameters = replayed_parameters(),
          .needs =
              [](const Arguments& a) {
                return SignalNeeds{.replay_chunk = a.integer("chunk"), .replay_plus = true};
              },
          .score = score,
          .default_allocator = "global"};
}

}  // namespace pith::recipe
