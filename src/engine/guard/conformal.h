// Conformal risk control (Angelopoulos et al. 2022, arXiv 2208.02814) for a ladder of ratios: how
// large a signal may be so that, over documents like those it was calibrated on, no more than an
// asked share of right answers is lost. Pure arithmetic; what a signal is, is guard.h's business.
#pragma once

#include <span>
#include <vector>

#include "base/types.h"

namespace pith {

// One calibration document on the rungs of a ladder, from the smallest ratio to the largest.
struct GuardRecord {
  std::vector<double> signals;  // [K]; infinity where the budget could not be met
  std::vector<double> losses;   // [K] ascending, in [0, 1]: share of right answers lost by then
  friend bool operator==(const GuardRecord&, const GuardRecord&) = default;
};

// How many rungs, from the first on, have signals of at most `threshold`: what lies behind a rung
// that fails is not looked at, so that a smaller threshold never allows more.
Index rungs_passed(std::span<const double> signals, double threshold);

// The mean over records of what is lost where rungs_passed() stops; 0 on no rung.
double risk_at(std::span<const GuardRecord> records, double threshold);

// The least number of records with which a risk can be promised: 1 / (n + 1) <= risk.
Index records_needed(double risk);

// The largest threshold among the records' own signals with n / (n + 1) risk_at() + 1 / (n + 1) at
// most `risk`; -infinity if none is (nothing is compressed then). Throws bad_budget for fewer than
// records_needed().
double conformal_threshold(std::span<const GuardRecord> records, double risk);

}  // namespace pith
