// Measures what the guard is calibrated on: a document's signals on every rung of a ladder, and
// what its questions lose there against the whole cache. It keeps no threshold.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/guard/guard.h"
#include "eval/statistics.h"
#include "eval/suite.h"

namespace pith::eval {

struct GuardMeasurement {
  std::string suite, document;
  Index questions = 0;
  Index right = 0;                   // of them, from the whole cache; what can be lost
  std::vector<GuardSignal> signals;  // [K], or fewer where a ratio could not be met, nothing was
                                     // left to lose, or nothing was right
  std::vector<double> ratios;        // likewise: of the bytes
  std::vector<double> losses;        // likewise: share of `right` that was lost on a rung so far
  friend bool operator==(const GuardMeasurement&, const GuardMeasurement&) = default;
};

// Reads the document, climbs the ladder with the recipe (whose budget is `auto`) and asks what the
// whole cache answered right again on every rung, until it is lost.
GuardMeasurement measure_guard(const std::shared_ptr<Engine>& engine, const std::string& suite,
                               const Document& document, const recipe::Recipe& recipe,
                               std::span<const double> ladder);

// As a calibration's record, with as many rungs as the ladder.
GuardRecord record_of(const GuardMeasurement& measured, std::size_t rungs);

std::string to_line(const GuardMeasurement& measured);  // JSON
GuardMeasurement parse_measurement(std::string_view line);

// What a threshold does on documents.
struct GuardOutcome {
  Index documents = 0;  // with at least one right answer from the whole cache
  Index right = 0;      // those answers
  Interval risk;        // mean over documents of the share lost; cluster_interval() over them
  double ratio = 1;     // 1 / the mean over documents of the share of its bytes that is kept
  double whole = 0;     // share of documents that were not compressed
};
GuardOutcome outcome_at(std::span<const GuardMeasurement> measured, double threshold);

}  // namespace pith::eval
