// compactor: attention inside chunks plus leverage of the keys, both standardised over the layer's
// heads. The more is removed, the more leverage counts: its weight is the share that goes.

#include "recipe/parts/compactor.h"

#include "recipe/local_attention.h"

namespace pith::recipe {
namespace {

constexpr float kUnbounded = 0.35f;  // weight of leverage where no budget says how much goes

LocalAttention kind_of(const Arguments& arguments) {
  return {.chunk = arguments.integer("chunk"),
          .first = arguments.integer("first"),
          .last = arguments.integer("last"),
          .kvpress = arguments.kvpress_quirk()};
}

float weight_of(const Scene& scene, const Arguments& arguments) {
  const auto given = static_cast<float>(arguments.real("blending"));
  const Room& room = scene.room();
  if (given >= 0) return given;
  if (!room.bounded) return kUnbounded;
  if (room.removed) return static_cast<float>(*room.removed);
  return 1 - static_cast<float>(static_cast<double>(room.total) /
                                static_cast<double>(std::max<Index>(scene.present(), 1)));
}

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const auto sketch = make_sketch(layer, scene.shape().kv_heads, scene.shape().head_dim,
                                  arguments.integer("sketch"), arguments.integer("seed"));
  score_compactor(scene, layer, kind_of(arguments), sketch, weight_of(scene, arguments), lanes);
}

}  // namespace

void score_compactor(const Scene& scene, Index layer, const LocalAttention& kind,
                     std::span<const float> sketch, float weight,
                     std::span<std::vector<float>> lanes) {
  std::vector<std::vector<float>> keys(lanes.begin(), lanes.end());
  score_leverage(scene, layer, {kind.first, kind.last}, sketch, keys);
  score_local(scene, layer, kind, lanes);
  for (std::size_t head = 0; head < lanes.size(); ++head)
    for (std::size_t j = 0; j < lanes[head].size(); ++j)
      if (!is_protected(lanes[head][j])) lanes[head][j] += weight * keys[head][j];
}

PartInfo compactor_part() {
  return {
      .name = "compactor",
      .kind = PartKind::scorer,
      .summary = "attention inside chunks plus leverage of the keys; both ends are kept",
      .source = "Compactor, arXiv 2507.08143",
      .cost = Cost::prefill,
      .parameters =
          {real("blending", "-1", -1, 100,
                "weight of leverage; -1: the share of entries that goes (0.35 without budget)"),
           integer("chunk", "256", 2, 65536, "tokens that look at each other"),
           integer("first", "8", 0, 65536, "first tokens: kept, and left out of the statistics"),
           integer("last", "4", 0, 65536, "last tokens, likewise"),
           integer("sketch", "48", 0, 65536, "dimensions of leverage's random projection; 0: none"),
           integer("seed", "0", 0, 0x1p52, "of the projection"),
           quirk("kvpress does not scale the logits, and the zeros that fill the last chunk take "
                 "part in it")},
      .needs = [](const Arguments& a) { return SignalNeeds{.local_attention = {kind_of(a)}}; },
      .score = score};
}

}  // namespace pith::recipe
