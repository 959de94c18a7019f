// Statistics of scores: intervals, paired differences, corrections for many comparisons. Pure
// numbers, seeded: the same input gives the same output; it knows no models, tasks or files.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"

namespace pith::eval {

// Bounds that the data cannot give are NaN (no items; a bootstrap with fewer than two clusters).
struct Interval {
  double mean = 0, low = 0, high = 0;  // 95 % unless said otherwise
  Index n = 0;                         // items
};

// Wilson's score interval of a proportion (E. B. Wilson 1927): right answers of n independent
// items.
Interval wilson(double successes, Index n, double confidence = 0.95);

// Percentile bootstrap of the mean, resampling whole clusters (contexts): questions of one context
// share its compression.
Interval cluster_bootstrap(std::span<const double> scores,   // [n]
                           std::span<const Index> clusters,  // [n], any labels
                           std::uint64_t seed = 1, Index resamples = 2000,
                           double confidence = 0.95);

// What a score of one item can be.
struct Range {
  double low = 0, high = 1;
};

// The same, but where the means of all clusters are equal every resample is, too, and the bootstrap
// would claim certainty. Then: clusters unlike the k seen are at most the share u = 1 - (Wilson's
// lower bound for k right answers of k), and at worst those lie at an end of the range. So the mean
// m lies between m - u (m - low) and m + u (high - m); for m at an end that is Wilson's interval,
// which one cluster has, too.
Interval cluster_interval(std::span<const double> scores,   // [n], within the range
                          std::span<const Index> clusters,  // [n], any labels
                          Range range, std::uint64_t seed = 1, Index resamples = 2000);

struct PairedDifference {
  Interval difference;  // mean of a - b over the same items, clustered, in [-1, 1]
  double p_value = 1;   // two-sided, of no difference: sign flips of cluster sums, all of them if
                        // they are at most `resamples`, otherwise as many random ones
};
PairedDifference paired_difference(std::span<const double> a,        // [n], within [0, 1]
                                   std::span<const double> b,        // [n]
                                   std::span<const Index> clusters,  // [n]
                                   std::uint64_t seed = 1, Index resamples = 2000);

// Holm's step-down correction (S. Holm 1979): adjusted p-values in the order given.
std::vector<double> holm(std::span<const double> p_values);

// Mean of the worst tenth (at least one item): what an average hides. NaN of nothing.
double worst_decile(std::span<const double> scores);

}  // namespace pith::eval
