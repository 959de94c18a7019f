// Statistics of scores: intervals, paired differences, corrections for many comparisons. Pure numbers; seeded, so the same input gives the same output.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"

namespace pith::eval {

struct Interval {
  double mean = 0, low = 0, high = 0;  // 95 % unless said otherwise
  Index n = 0;                         // items
};

// Wilson's score interval of a proportion (E. B. Wilson 1927): right answers of n independent items.
Interval wilson(double successes, Index n, double confidence = 0.95);

// Percentile bootstrap of the mean, resampling whole clusters (contexts): questions of one context share its compression.
Interval cluster_bootstrap(std::span<const double> scores, std::span<const Index> clusters,  // [n] each
                           std::uint64_t seed = 1, Index resamples = 2000, double confidence = 0.95);

struct PairedDifference {
  Interval difference;  // mean of a - b over the same items, clustered
  double p_value = 1;   // two-sided, of no difference: sign-flip permutation of cluster sums
};
PairedDifference paired_difference(std::span<const double> a, std::span<const double> b, std::span<const Index> clusters,
                                   std::uint64_t seed = 1, Index resamples = 2000);

// Holm's step-down correction (S. Holm 1979): adjusted p-values in the order given.
std::vector<double> holm(std::span<const double> p_values);

// Mean of the worst tenth (at least one item): what an average hides.
double worst_decile(std::span<const double> scores);

}  // namespace pith::eval
