// random: uniform numbers, the floor that every method must beat.

#include "base/rng.h"
#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const Index heads = scene.shape().kv_heads;
  for (Index head = 0; head < heads; ++head) {
    const Index stream = arguments.kvpress_quirk() ? head : layer * heads + head;
    Rng rng(static_cast<std::uint64_t>(arguments.integer("seed")) * 0x10001u +
            static_cast<std::uint64_t>(stream));
    for (float& s : lanes[head]) s = static_cast<float>(rng.uniform());
  }
}

}  // namespace

PartInfo random_part() {
  return {.name = "random",
          .kind = PartKind::scorer,
          .summary = "uniform random numbers: the floor that every method must beat",
          .source = "control arm; kvpress RandomPress",
          .cost = Cost::columns,
          .blind = true,
          .parameters = {integer("seed", "0", 0, 0x1p52, "of the generator"),
                         quirk("kvpress seeds its generator anew in each layer: all layers get the "
                               "same numbers")},
          .score = score};
}

}  // namespace pith::recipe
