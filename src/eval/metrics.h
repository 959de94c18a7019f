// From predictions to numbers: per recipe and task the score with its interval, the paired
// difference to `full` and to twins at the same bytes, failure classes. Pure numbers.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/predictions.h"
#include "eval/statistics.h"

namespace pith::eval {

// An arm minus another one, over the items that both answered (same_item()).
struct Difference {
  std::string against;        // full, baseline, or the twin's name: random, recency, spaced
  std::string to;             // the other arm's recipe, as given
  double other_score = 0;     // of the other arm on these items
  PairedDifference measured;  // clustered by document
  double p_holm = 1;          // over all arms of the task with a difference against the same; for
                              // twins over all arms and all three
};

struct ArmMetrics {
  std::string recipe, canonical, task;  // task "all": every item of the run
  std::string twin, twin_of;            // of twins (predictions.h)
  bool sees_question = false, oracle = false;
  Index documents = 0;
  Interval score;  // clustered by document; Wilson where every document has one item and scores are
                   // 0 or 1
  Interval conditional;  // on items that `full` answers (score 1); n = 0 where there are none
  // Means over the score.n items:
  double exact = 0, contained = 0;
  double unended = 0;  // share of answers that did not end
  double answer_tokens = 0;
  double worst_decile = 0;  // mean of the worst tenth
  Index worst_n = 0;        // items in it
  double cache_bytes = 0, full_bytes = 0, ratio = 0,
         entries = 0;                    // ratio = sum of full_bytes / sum of cache_bytes
  double cold_bytes = 0;                 // of whole caches kept aside, beside cache_bytes
  double prefill_s = 0, compress_s = 0;  // means per document; compression includes a replay
  double repeats = 0;  // mean over the documents that were checked: share of what the whole cache
                       // repeats that this one does, too (SpanDamage::repeats); NaN without any
  std::vector<Difference> differences;  // none against itself
  Index left_out = 0;  // answers to another text or question than those of `full` of their name:
                       // neither in differences nor in `conditional`
  std::map<std::string, Index> failures;

  const Difference* against(std::string_view name) const;  // null if there is none
};

// Arms in the order of their first prediction, tasks by name with "all" last; the numbers do not
// depend on the order of the predictions. `baseline` is a recipe, as given or canonical. Throws
// bad_input when there is nothing to measure or no prediction of `full` or the baseline.
std::vector<ArmMetrics> compute_metrics(std::span<const Prediction> predictions,
                                        const std::string& baseline = "full",
                                        std::uint64_t seed = 1);

// The document that metrics.json holds (formats.md), pretty-printed.
std::string metrics_json(std::span<const ArmMetrics> arms, const std::string& baseline);

}  // namespace pith::eval
