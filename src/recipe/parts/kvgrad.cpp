// kvgrad: how much a replay of the context attends to each entry, times what that moves: attention,
// the length of the entry's value behind the output projection, and how strongly the replay's last
// hidden states depend on the row that attends. The largest product over rows and the group's query
// heads counts. The gradients are of activations only; the model goes backwards once per 512
// tokens.

#include "recipe/parts/replay.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  score_replay(scene, arguments, layer, scene.layer(layer).replay_gradient, lanes);
}

}  // namespace

PartInfo kvgrad_part() {
  return {.name = "kvgrad",
          .kind = PartKind::scorer,
          .summary = "a replay's attention, times how much its outcome depends on it",
          .source = "KVgrad (OpenReview cg1wTCJjjk); kvpress KVgradPress",
          .cost = Cost::replay,
          .parameters = replay_parameters(),
          .needs = [](const Arguments&) { return SignalNeeds{.replay_gradient = true}; },
          .score = score,
          .default_allocator = "global"};
}

}  // namespace pith::recipe
