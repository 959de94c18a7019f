// echo: kvzip without its second pass. The queries of the prefill, rotated to where a copy of their
// chunk would stand, look at the chunk and at their own past, as the copy's queries would if the
// copy's hidden states were those of the original. The engine computes it while it reads.

#include "recipe/parts/replay.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const LayerSignals& signals = scene.layer(layer);
  score_replay(scene, arguments, layer, arguments.flag("plus") ? signals.echo_plus : signals.echo,
               lanes);
}

std::vector<Parameter> parameters() {
  std::vector<Parameter> all = {
      flag("plus", "true", "normalised as kvzip_plus is, which layers' competition needs"),
      integer("chunk", "384", 16, 1 << 20, "tokens that are copied at once")};
  for (const Parameter& parameter : replay_parameters()) all.push_back(parameter);
  return all;
}

}  // namespace

PartInfo echo_part() {
  return {.name = "echo",
          .kind = PartKind::scorer,
          .summary = "kvzip's replay guessed from the prefill's own queries, moved behind it",
          .source = "EchoPress (kvpress pull request, 2026)",
          .cost = Cost::prefill,
          .parameters = parameters(),
          .needs = [](const Arguments& a) { return SignalNeeds{.echo = a.integer("chunk")}; },
          .score = score,
          .default_allocator = "global"};
}

}  // namespace pith::recipe
