#include "probe/series.h"

#include <cmath>
#include <limits>

namespace pith::probe {

void finish_series(Report& report) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  for (Series& series : report.series) {
    std::vector<double> ratios, ger, all_gone, hallucinated;
    Index stated = 0, judged = 0;
    for (Index a : series.arms) {
      const ArmReport& arm = report.arms[static_cast<std::size_t>(a)];
      if (std::isnan(arm.ratio)) continue;
      ratios.push_back(arm.ratio);
      ger.push_back(arm.ger.all);
      all_gone.push_back(arm.all_gone);
      hallucinated.push_back(arm.hallucinated);
      stated += arm.stated;
      judged += arm.judged;
    }
    series.ger = series.all_gone = series.hallucination = {kNone, kNone};
    if (stated > 0) {
      series.ger = cliff(ratios, ger);
      series.ger_chi = susceptibility(ratios, ger);
      series.all_gone = cliff(ratios, all_gone);
    }
    if (judged > 0) {
      series.hallucination = cliff(ratios, hallucinated);
      series.chi = susceptibility(ratios, hallucinated);
    }
  }
}

}  // namespace pith::probe
