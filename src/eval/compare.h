// Two finished runs, item by item: what changed for each recipe, with intervals. It runs nothing.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "eval/predictions.h"
#include "eval/statistics.h"

namespace pith::eval {

struct Comparison {
  std::string recipe_a, recipe_b;   // as given in the runs; the same where runs are compared
  std::string task;                 // "all" for every task
  double score_a = 0, score_b = 0;  // means over the items that both runs have
  PairedDifference difference;      // b - a, clustered by document
  double p_holm = 1;                // corrected over all comparisons of the same task
  double bytes_a = 0, bytes_b = 0;  // mean bytes of the cache
  Index gained = 0, lost = 0;       // items that only b, only a got right
  Index left_out = 0;               // items of one name in both runs, but of another text, question
                                    // or answer: other tokens, seeds, files, or tokenizers
};

// Pairs arms of the two runs: each recipe with itself, or `arm_a` with `arm_b` (canonical or as
// given) where they are named. Throws bad_input when no item is the same in both.
std::vector<Comparison> compare(std::span<const Prediction> a, std::span<const Prediction> b,
                                const std::string& arm_a = "", const std::string& arm_b = "",
                                std::uint64_t seed = 1);

}  // namespace pith::eval
