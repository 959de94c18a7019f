// The guard behind `@ auto`: it climbs a ladder of ratios and asks each compressed cache to repeat
// a sample of the document. How much less likely the text becomes than from the whole cache is the
// signal; no question and no answer is looked at. Where to stop is a threshold that was calibrated
// for the model and the recipe (guard_table.h, conformal.h).
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <vector>

#include "engine/compress.h"
#include "engine/context.h"
#include "engine/guard/guard_table.h"
#include "engine/guard/span_replay.h"
#include "engine/reading.h"

namespace pith {

// What a compressed cache says of the damage to it.
struct GuardSignal {
  SpanDamage damage;
  double ratio = 1;  // that was asked for

  // What is held against the threshold, in nats. Below kNoise a rise says nothing, rounding to 4
  // bits alone does as much, so there the ratio decides; each 1x counts kPerRatio. A rise that is
  // no number stays none and passes no threshold: std::max() returns its first argument then.
  double value() const { return std::max(damage.rise - kNoise, 0.0) + kPerRatio * ratio; }
  static constexpr double kNoise = 0.1, kPerRatio = 0.01;
  friend bool operator==(const GuardSignal&, const GuardSignal&) = default;
};

// One rung of a ladder, as it is measured.
struct GuardRung {
  double asked = 1;           // ratio
  bool same_as_last = false;  // nothing more was removed; the signal is the last one
  GuardSignal signal;
  CompressionReport report;
};
// Compresses forks of `whole` to each ratio of `ladder` until `on_rung` returns false or a ratio
// cannot be met. The recipe's own budget is `auto`. `progress` hears of rungs: after each, and
// while one is compressed the same count again, so that it can give up there, too.
void climb(const Context& whole, const recipe::Recipe& recipe, const recipe::Signals& signals,
           const ReadOptions& options, std::span<const double> ladder,
           const std::function<bool(const GuardRung&, const Context& compressed)>& on_rung,
           const Progress& progress = {});

struct GuardChoice {
  recipe::Recipe recipe;  // at the chosen ratio; "full" where not even the first rung passed
  double asked = 1;       // the ratio
  double signal = 0;      // at it
  double threshold = 0, risk = 0;
  Index documents = 0;        // calibrated on so many ...
  std::string documents_are;  // ... of this kind
  double seconds = 0;
};

class Guard {
 public:
  // Looks up the threshold. Throws not_found with the command that calibrates, bad_budget for a
  // risk that the calibration is too small for.
  Guard(const Engine& engine, const recipe::Recipe& recipe);

  GuardChoice choose(const Context& whole, const recipe::Signals& signals,
                     const ReadOptions& options, const Progress& progress = {}) const;
  // What decides its choices: a hash of the calibration, for those who keep results.
  std::string fingerprint() const;

 private:
  recipe::Recipe recipe_;
  GuardTable table_;
  double threshold_;
};

}  // namespace pith
