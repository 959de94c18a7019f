#include "engine/guard/conformal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace pith {

Index rungs_passed(std::span<const double> signals, double threshold) {
  return std::find_if(signals.begin(), signals.end(),
                      [&](double signal) { return !(signal <= threshold); }) -
         signals.begin();
}

double risk_at(std::span<const GuardRecord> records, double threshold) {
  double sum = 0;
  for (const GuardRecord& record : records) {
    const Index passed = rungs_passed(record.signals, threshold);
    if (passed > 0) sum += record.losses[static_cast<std::size_t>(passed - 1)];
  }
  return records.empty() ? 0 : sum / static_cast<double>(records.size());
}

Index records_needed(double risk) {
  const double least = 1 / risk - 1;  // 1 / 0.05 is 20 and a rounding
  return static_cast<Index>(std::ceil(least - 1e-9 * least));
}

double conformal_threshold(std::span<const GuardRecord> records, double risk) {
  const auto n = static_cast<double>(records.size());
  if (std::ssize(records) < records_needed(risk))
    fail(ErrorCode::bad_budget,
         fmt::format("a risk of {} takes a calibration on at least {} documents, this one has {}; "
                     "calibrate on more, or ask for a risk of {:.3f} or more",
                     risk, records_needed(risk), records.size(), std::ceil(1000 / (n + 1)) / 1000));
  std::vector<double> signals;
  for (const GuardRecord& record : records)
    for (const double signal : record.signals)
      if (std::isfinite(signal)) signals.push_back(signal);
  std::sort(signals.begin(), signals.end());
  // risk_at() never falls, so the first signal that is too risky ends the search.
  const auto risky = std::partition_point(signals.begin(), signals.end(), [&](double signal) {
    return n / (n + 1) * risk_at(records, signal) + 1 / (n + 1) <= risk + 1e-12;
  });
  return risky == signals.begin() ? -std::numeric_limits<double>::infinity() : *(risky - 1);
}

}  // namespace pith
