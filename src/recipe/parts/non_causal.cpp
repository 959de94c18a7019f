// non_causal: what the tokens of a chunk pay to each other when later ones may be seen. Column sums
// of the attention inside chunks, mean over the group, times ||v||, averaged over three neighbours.

#include <cmath>

#include "recipe/leverage.h"
#include "recipe/local_attention.h"
#include "recipe/parts/compactor.h"
#include "recipe/smoothing.h"

namespace pith::recipe {
namespace {

LocalAttention kind_of(const Arguments& arguments) {
  return {.chunk = arguments.integer("chunk"),
          .first = 0,
          .last = 0,
          .kvpress = arguments.kvpress_quirk()};
}

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  score_local(scene, layer, kind_of(arguments), lanes);
}

}  // namespace

void score_local(const Scene& scene, Index layer, const LocalAttention& kind,
                 std::span<std::vector<float>> lanes) {
  const Index depth = scene.shape().head_dim, group = scene.group(),
              tokens = scene.signals().tokens;
  const Ends ends{kind.first, kind.last};
  const std::span<const float> signal = local_attention(scene.signals(), layer, kind);
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    const std::vector<float> values = scene.values(lane);
    std::vector<float> by_token(static_cast<std::size_t>(tokens));
    group_score(scene,
                signal.subspan(static_cast<std::size_t>(head * group * tokens),
                               static_cast<std::size_t>(group * tokens)),
                by_token);
    const std::vector<float> received = scene.by_entry(lane, by_token);
    std::vector<std::int32_t> members;
    std::vector<float> weighted;
    for (std::int32_t j : scene.by_position(lane)) {
      lanes[head][j] = kForced;
      if (!ends.contains(scene.info(lane)[j], tokens)) continue;
      const float* value = values.data() + j * depth;
      members.push_back(j);
      weighted.push_back(received[j] * std::sqrt(dot(value, value, depth)));
    }
    std::vector<float> smoothed(weighted.size());
    smooth(weighted, 3, smoothed);
    for (std::size_t i = 0; i < members.size(); ++i) lanes[head][members[i]] = smoothed[i];
  }
  standardise(lanes);
}

PartInfo non_causal_part() {
  return {
      .name = "non_causal",
      .kind = PartKind::scorer,
      .summary = "attention inside chunks when later tokens may be seen, times the value's norm",
      .source = "Compactor, arXiv 2507.08143",
      .cost = Cost::prefill,
      .parameters = {integer("chunk", "256", 2, 65536, "tokens that look at each other"),
                     quirk("kvpress does not scale the logits, and the zeros that fill the last "
                           "chunk take part in it")},
      .needs = [](const Arguments& a) { return SignalNeeds{.local_attention = {kind_of(a)}}; },
      .score = score};
}

}  // namespace pith::recipe
