#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/rng.h"

namespace pith::eval {
namespace {

constexpr double kSameMean = 1e-12;  // means that differ by rounding alone
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// The z with P(|N(0,1)| <= z) = confidence, by bisection of erf.
double two_sided_z(double confidence) {
  double low = 0, high = 40;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (std::erf(middle / std::sqrt(2.0)) < confidence ? low : high) = middle;
  }
  return (low + high) / 2;
}

struct Cluster {
  double sum = 0;
  double n = 0;
};

// In order of first appearance, so labels do not matter.
std::vector<Cluster> collect(std::span<const double> scores, std::span<const Index> clusters) {
  PITH_CHECK(scores.size() == clusters.size(), std::to_string(scores.size()) + " scores, " +
                                                   std::to_string(clusters.size()) + " clusters");
  std::vector<Cluster> collected;
  std::unordered_map<Index, std::size_t> place;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto [found, is_new] = place.try_emplace(clusters[i], collected.size());
    if (is_new) collected.emplace_back();
    collected[found->second].sum += scores[i];
    collected[found->second].n += 1;
  }
  return collected;
}

// Linear interpolation between order statistics (Hyndman and Fan's type 7); sorts.
double quantile(std::vector<double>& values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

}  // namespace

Interval wilson(double successes, Index n, double confidence) {
  if (n == 0) return {kUnknown, kUnknown, kUnknown, 0};
  const double z = two_sided_z(confidence), items = static_cast<double>(n), p = successes / items;
  const double scale = 1 + z * z / items, centre = (p + z * z / (2 * items)) / scale;
  const double half = z / scale * std::sqrt(p * (1 - p) / items + z * z / (4 * items * items));
  return {p, std::max(0.0, centre - half), std::min(1.0, centre + half), n};
}

Interval cluster_bootstrap(std::span<const double> scores, std::span<const Index> clusters,
                           std::uint64_t seed, Index resamples, double confidence) {
  const auto collected = collect(scores, clusters);
  Interval interval{kUnknown, kUnknown, kUnknown, static_cast<Index>(scores.size())};
  if (collected.empty()) return interval;
  interval.mean =
      std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size());
  if (collected.size() < 2 || resamples < 1) return interval;
  Rng rng(seed);
  std::vector<double> means(static_cast<std::size_t>(resamples));
  for (double& mean : means) {
    double sum = 0, n = 0;
    for (std::size_t i = 0; i < collected.size(); ++i) {
      const auto drawn = rng.below(static_cast<Index>(collected.size()));
      const Cluster& cluster = collected[static_cast<std::size_t>(drawn)];
      sum += cluster.sum;
      n += cluster.n;
    }
    mean = sum / n;
  }
  interval.low = quantile(means, (1 - confidence) / 2);
  interval.high = quantile(means, (1 + confidence) / 2);
  return interval;
}

Interval cluster_interval(std::span<const double> scores, std::span<const Index> clusters,
                          Range range, std::uint64_t seed, Index resamples) {
  Interval interval = cluster_bootstrap(scores, clusters, seed, resamples);
  const auto collected = collect(scores, clusters);
  const bool equal = std::all_of(collected.begin(), collected.end(), [&](const Cluster& cluster) {
    return std::abs(cluster.sum / cluster.n - interval.mean) < kSameMean;
  });
  const bool at_end = interval.mean == range.low || interval.mean == range.high;
  if (!equal || collected.empty() || (collected.size() < 2 && !at_end)) return interval;
  const auto k = std::ssize(collected);
  const double unlike = 1 - wilson(static_cast<double>(k), k).low;
  interval.low = std::max(range.low, interval.mean - unlike * (interval.mean - range.low));
  interval.high = std::min(range.high, interval.mean + unlike * (range.high - interval.mean));
  return interval;
}

PairedDifference paired_difference(std::span<const double> a, std::span<const double> b,
                                   std::span<const Index> clusters, std::uint64_t seed,
                                   Index resamples) {
  PITH_CHECK(a.size() == b.size(), std::to_string(a.size()) + " and " + std::to_string(b.size()));
  std::vector<double> differences(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  PairedDifference result;
  result.difference = cluster_interval(differences, clusters, {-1, 1}, seed, resamples);
  const auto collected = collect(differences, clusters);
  double observed = 0, scale = 0;
  for (const Cluster& cluster : collected) observed += cluster.sum, scale += std::abs(cluster.sum);
  // Flips that only differ by rounding from the observed sum are as extreme as it.
  const double threshold = std::abs(observed) - 1e-9 * scale;
  const std::size_t n = collected.size();
  const auto extreme = [&](auto flipped) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += flipped(i) ? -collected[i].sum : collected[i].sum;
    return std::abs(sum) >= threshold;
  };
  if (n < 62 && (Index{1} << n) <= resamples) {
    const Index all = Index{1} << n;
    Index count = 0;
    for (Index flips = 0; flips < all; ++flips)
      count += extreme([&](std::size_t i) { return ((flips >> i) & 1) != 0; });
    result.p_value = static_cast<double>(count) / static_cast<double>(all);
    return result;
  }
  Rng rng(seed + 1);
  Index count = 0;
  for (Index round = 0; round < resamples; ++round) {
    std::uint64_t bits = 0;
    count += extreme([&](std::size_t i) {
      if (i % 64 == 0) bits = rng.next();
      return ((bits >> (i % 64)) & 1) != 0;
    });
  }
  result.p_value = static_cast<double>(count + 1) / static_cast<double>(resamples + 1);
  return result;
}

std::vector<double> holm(std::span<const double> p_values) {
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) {
    return std::pair(p_values[i], i) < std::pair(p_values[j], j);
  });
  std::vector<double> adjusted(p_values.size());
  double largest = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const double p = p_values[order[rank]] * static_cast<double>(order.size() - rank);
    largest = std::max(largest, std::min(1.0, p));
    adjusted[order[rank]] = largest;
  }
  return adjusted;
}

double worst_decile(std::span<const double> scores) {
  if (scores.empty()) return kUnknown;
  std::vector<double> sorted(scores.begin(), scores.end());
  std::sort(sorted.begin(), sorted.end());
  const std::size_t n = std::max<std::size_t>(1, sorted.size() / 10);
  return std::accumulate(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(n), 0.0) /
         static_cast<double>(n);
}

}  // namespace pith::eval
