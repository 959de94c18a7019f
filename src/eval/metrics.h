// From predictions to numbers: per recipe and task the score with its interval, the paired
// difference to `full` and to twins at the same bytes, failure classes. Pure numbers.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "eval/predictions.h"
#include "eval/statistics.h"

namespace pith::eval {

struct ArmMetrics {
  std::string recipe, canonical, task;  // task "all": every item of the run
  bool sees_question = false, oracle = false;
  Interval score;  // clustered by document; Wilson where every document has one item and scores are
                   // 0 or 1
  Interval conditional;  // on items that `full` answers (score 1); n = 0 where there are none
  double exact = 0, contained = 0;  // shares
  double worst_decile = 0;
  double unended = 0;        // share of answers that did not end
  double answer_tokens = 0;  // mean
  double cache_bytes = 0, full_bytes = 0, ratio = 0,
         entries = 0;                    // means; ratio = sum of full_bytes / sum of cache_bytes
  double prefill_s = 0, compress_s = 0;  // means per document; compression includes a replay
  bool has_difference = false;           // false for the baseline itself
  PairedDifference to_baseline;          // over the items that both have
  double p_holm = 1;                     // corrected within the task, over all arms
  std::map<std::string, Index> failures;
};

// Arms in the order of their first prediction, tasks by name with "all" last. `baseline` is a
// canonical recipe. Throws bad_input when there is nothing to measure or no prediction of the
// baseline.
std::vector<ArmMetrics> compute_metrics(std::span<const Prediction> predictions,
                                        const std::string& baseline = "full",
                                        std::uint64_t seed = 1);

// The document that metrics.json holds: {"n": ..., "baseline": ..., "arms": [...]}, pretty-printed.
std::string metrics_json(std::span<const ArmMetrics> arms, const std::string& baseline);

}  // namespace pith::eval
