#include "probe/summary_loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/vector.h"

namespace pith::probe {

double rotation_shrinkage(double theta, Index n) {
  const double half = std::sin(theta / 2), count = static_cast<double>(n);
  if (std::abs(half) < 1e-12) return 1;
  return std::abs(std::sin(count * theta / 2) / (count * half));
}

void SummaryLoss::add(const SummaryLoss& other) {
  if (other.summaries == 0) return;
  const double share =
      static_cast<double>(other.summaries) / static_cast<double>(summaries + other.summaries);
  const auto join = [&](double& mine, double theirs) { mine += share * (theirs - mine); };
  join(norm, other.norm);
  join(logit, other.logit);
  join(best_logit, other.best_logit);
  join(log_sum, other.log_sum);
  summaries += other.summaries;
}

SummaryLoss summary_loss(std::span<const float> keys, std::span<const float> summary,
                         std::span<const float> queries, float scale, float log_weight) {
  const auto D = std::ssize(summary), n = std::ssize(keys) / D, m = std::ssize(queries) / D;
  const auto dot = [&](const float* a, const float* b) {
    return static_cast<double>(vector_kernels().dot(a, b, D));
  };
  SummaryLoss loss{.summaries = 1};
  for (Index j = 0; j < n; ++j)
    loss.norm += std::sqrt(dot(keys.data() + j * D, keys.data() + j * D)) / static_cast<double>(n);
  loss.norm = std::sqrt(dot(summary.data(), summary.data())) / loss.norm;
  std::vector<double> logits(static_cast<std::size_t>(n));
  for (Index q = 0; q < m; ++q) {
    const float* query = queries.data() + q * D;
    for (Index j = 0; j < n; ++j)
      logits[static_cast<std::size_t>(j)] =
          static_cast<double>(scale) * dot(query, keys.data() + j * D);
    const double best = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (double logit : logits) sum += std::exp(logit - best);
    const auto count = static_cast<double>(m);
    loss.logit += (static_cast<double>(scale) * dot(query, summary.data()) +
                   static_cast<double>(log_weight)) /
                  count;
    loss.best_logit += best / count;
    loss.log_sum += (best + std::log(sum)) / count;
  }
  return loss;
}

}  // namespace pith::probe
