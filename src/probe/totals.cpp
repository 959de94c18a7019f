#include "probe/totals.h"

#include <cmath>
#include <limits>

namespace pith::probe {

void finish_arm(const Report& report, ArmReport& arm) {
  const auto move = [](double& mean, double value, Index count) {
    mean += (value - mean) / static_cast<double>(count);
  };
  for (const AnswerReport& one : arm.questions) {
    if (!report.questions[static_cast<std::size_t>(one.question)].places.empty()) {
      const Index n = ++arm.stated;
      arm.ger.layers.resize(one.ger.layers.size());
      for (std::size_t l = 0; l < one.ger.layers.size(); ++l)
        move(arm.ger.layers[l], one.ger.layers[l], n);
      move(arm.ger.all, one.ger.all, n);
      move(arm.ger.mean, one.ger.mean, n);
      move(arm.ger.max, one.ger.max, n);
      move(arm.all_gone, one.all_gone, n);
    }
    if (one.judgement == Judgement::unjudged) continue;
    const Index n = ++arm.judged;
    move(arm.right, one.judgement == Judgement::right, n);
    move(arm.abstained, one.judgement == Judgement::abstained, n);
    move(arm.hallucinated, one.judgement == Judgement::wrong, n);
  }
}

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
