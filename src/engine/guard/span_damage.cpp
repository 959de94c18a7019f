#include "engine/guard/span_damage.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace pith {
namespace {

// qwen2.5-coder-0.5b-instruct, bench/evidence/check.yaml, the means over caches.
constexpr std::array<Precedent, 3> kPrecedents = {{{0.99, 0.06}, {0.9, 0.16}, {0, 0.74}}};

}  // namespace

const Precedent& precedent_of(double repeats) {
  PITH_CHECK(repeats >= 0, "a share");
  return *std::find_if(kPrecedents.begin(), kPrecedents.end(),
                       [&](const Precedent& one) { return repeats >= one.repeats; });
}

SpanDamage damage_of(std::span<const SpanTokens> spans) {
  SpanDamage damage;
  double rows = 0, known = 0, missed = 0;
  for (const SpanTokens& span : spans) {
    double rise = 0;
    for (std::size_t i = 0; i < span.whole.size(); ++i) {
      rise += span.here[i] - span.whole[i];
      known += span.known[i];
      missed += span.known[i] != 0 && span.repeated[i] == 0 ? 1 : 0;
    }
    const auto length = static_cast<double>(span.whole.size());
    rows += length;
    damage.rise += rise;
    damage.worst = std::max(damage.worst, rise / length);
  }
  if (rows == 0) return damage;
  damage.rise /= rows;
  damage.known = known / rows;
  damage.missed = known > 0 ? missed / known : 0;
  return damage;
}

}  // namespace pith
