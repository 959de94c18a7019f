#include "probe/curve.h"

#include <algorithm>
#include <limits>

namespace pith::probe {

Susceptibility susceptibility(std::span<const double> ratios, std::span<const double> rates) {
  Susceptibility result;
  for (std::size_t i = 1; i < ratios.size(); ++i) {
    result.at.push_back((ratios[i - 1] + ratios[i]) / 2);
    result.chi.push_back((rates[i] - rates[i - 1]) / (ratios[i] - ratios[i - 1]));
    if (i > 1 && result.chi.back() <= result.peak) continue;
    result.peak_at = result.at.back();
    result.peak = result.chi.back();
  }
  return result;
}

Cliff cliff(std::span<const double> ratios, std::span<const double> rates) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  Cliff result{kNone, kNone};
  if (ratios.empty()) return result;
  result.from_start = *std::min_element(rates.begin(), rates.end()) > 0;
  result.half_from_start = rates.front() >= 0.5;
  for (std::size_t i = ratios.size(); i-- > 0;) {
    if (rates[i] > 0) continue;
    if (i + 1 < ratios.size()) result.begins = ratios[i];
    break;
  }
  for (std::size_t i = 0; i < ratios.size(); ++i) {
    if (rates[i] < 0.5) continue;
    result.half = ratios[i];
    if (i > 0) {
      const double share = (0.5 - rates[i - 1]) / (rates[i] - rates[i - 1]);
      result.half = ratios[i - 1] + share * (ratios[i] - ratios[i - 1]);
    }
    break;
  }
  return result;
}

}  // namespace pith::probe
