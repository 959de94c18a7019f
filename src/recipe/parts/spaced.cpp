// spaced: every so many entries, whatever they say; the third of the controls that know nothing.

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

// The van der Corput sequence (1935), base 2: the first k of its numbers lie evenly in [0, 1) for
// any k, so that a cut anywhere leaves a lane sampled evenly.
double reversed(std::uint64_t j) {
  double value = 0, place = 0.5;
  for (; j > 0; j >>= 1, place /= 2)
    if ((j & 1) != 0) value += place;
  return value;
}

void score(const Scene& scene, const Arguments&, Index layer, std::span<std::vector<float>> lanes) {
  const Index heads = scene.shape().kv_heads;
  for (Index head = 0; head < heads; ++head) {
    const std::vector<std::int32_t> order = scene.by_position(scene.shape().lane(layer, head));
    const std::size_t n = order.size();
    // The i-th entry to be taken stands at the i-th number, on a line of n entries rounded up to a
    // power of two.
    std::uint64_t line = 1;
    while (line < n) line *= 2;
    float rank = 0;
    for (std::uint64_t i = 0; i < line; ++i) {
      const auto at = static_cast<std::size_t>(reversed(i) * static_cast<double>(line));
      if (at < n) lanes[head][order[at]] = -rank++;
    }
  }
}

}  // namespace

PartInfo spaced_part() {
  return {.name = "spaced",
          .kind = PartKind::scorer,
          .summary = "evenly spaced entries, the first one among them: a floor beside random",
          .source = "control arm (the uniform twin)",
          .cost = Cost::columns,
          .blind = true,
          .score = score};
}

}  // namespace pith::recipe
