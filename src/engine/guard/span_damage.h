// What a compressed cache makes of a sample of its document, beside the whole cache, and how that
// is counted. Pure numbers: who repeats the sample is span_replay.h.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace pith {

struct SpanDamage {
  double rise = 0;    // of -log p of the sampled text over the whole cache's, nats per token
  double worst = 0;   // the same of the worst span; 0 where none is worse
  double missed = 0;  // share of the tokens that the whole cache repeats and this one does not
  double routes = 0;  // share of the document's weight on tokens that fewer than 3 lanes keep
  double known = 0;   // share of the sample that the whole cache repeats

  // Of the tokens that the whole cache repeats, the share that this one does, too. NaN where the
  // whole cache repeats none: then nothing can be said.
  double repeats() const {
    return known > 0 ? 1 - missed : std::numeric_limits<double>::quiet_NaN();
  }
  friend bool operator==(const SpanDamage&, const SpanDamage&) = default;
};

// What was measured of other caches of a model that repeat about as much: docs/guard.md,
// bench/check_signals.py. What holds for one model does not for another.
struct Precedent {
  double repeats = 0;  // at least
  double lost = 0;     // share of the right answers of whole caches
};
// Null for a model that was not measured, and for what is no share.
const Precedent* precedent_of(std::uint64_t model_hash, double repeats);

// One span of the sample, token by token: [text].
struct SpanTokens {
  std::vector<double> whole, here;            // -log p from the two caches, nats
  std::vector<std::uint8_t> known, repeated;  // 1 where the token is the likeliest, from each
};
// All but `routes`.
SpanDamage damage_of(std::span<const SpanTokens> spans);

}  // namespace pith
