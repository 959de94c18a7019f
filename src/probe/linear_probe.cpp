#include "probe/linear_probe.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/rng.h"

namespace pith::probe {
namespace {

constexpr Index kSteps = 500;
constexpr double kSmallGradient = 1e-6;

// Standardised features with a constant 1 behind them.
struct Design {
  Index rows = 0, columns = 0;
  std::vector<double> x;  // [rows, columns]
  const double* row(Index r) const { return x.data() + r * columns; }
};

// A bound of the largest eigenvalue of X^T X / rows, and so of the curvature. Power iteration comes
// near it from below, hence the margin.
double eigenvalue_bound(const Design& design) {
  constexpr double kMargin = 1.1;
  std::vector<double> v(static_cast<std::size_t>(design.columns), 1.0), next(v.size());
  double length = 1;
  for (int step = 0; step < 30; ++step) {
    std::fill(next.begin(), next.end(), 0.0);
    for (Index r = 0; r < design.rows; ++r) {
      const double dot = std::inner_product(v.begin(), v.end(), design.row(r), 0.0);
      for (std::size_t f = 0; f < v.size(); ++f) next[f] += dot * design.row(r)[f];
    }
    length = std::sqrt(std::inner_product(next.begin(), next.end(), next.begin(), 0.0));
    for (std::size_t f = 0; f < v.size(); ++f) v[f] = next[f] / length;
  }
  return kMargin * length / static_cast<double>(design.rows);
}

// Scores [classes] to probabilities.
void softmax(std::span<double> scores) {
  const double top = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += score = std::exp(score - top);
  for (double& score : scores) score /= sum;
}

}  // namespace

LinearProbe LinearProbe::train(const Samples& samples, std::span<const Index> rows, double l2) {
  LinearProbe probe;
  const Index F = probe.features_ = samples.features, K = probe.classes_ = samples.classes;
  const auto n = static_cast<double>(rows.size());
  probe.mean_.assign(static_cast<std::size_t>(F), 0);
  probe.scale_.assign(static_cast<std::size_t>(F), 0);
  const auto value = [&](Index row, Index f) {
    return static_cast<double>(samples.x[static_cast<std::size_t>(row * F + f)]);
  };
  for (std::size_t f = 0; f < probe.mean_.size(); ++f) {
    double sum = 0, squares = 0;
    for (Index row : rows) sum += value(row, static_cast<Index>(f));
    probe.mean_[f] = sum / n;
    for (Index row : rows)
      squares += std::pow(value(row, static_cast<Index>(f)) - probe.mean_[f], 2);
    const double deviation = std::sqrt(squares / n);
    probe.scale_[f] = deviation > 0 ? 1 / deviation : 0;  // a constant says nothing
  }
  Design design{.rows = std::ssize(rows), .columns = F + 1, .x = {}};
  for (Index row : rows) {
    for (std::size_t f = 0; f < probe.mean_.size(); ++f)
      design.x.push_back((value(row, static_cast<Index>(f)) - probe.mean_[f]) * probe.scale_[f]);
    design.x.push_back(1);
  }
  // Nesterov's method with the fixed step that the curvature allows.
  const double step = 1 / (0.5 * eigenvalue_bound(design) + l2);
  const auto size = static_cast<std::size_t>(K * (F + 1));
  std::vector<double> w(size), ahead(size), gradient(size), scores(static_cast<std::size_t>(K));
  for (Index t = 0; t < kSteps; ++t) {
    for (std::size_t i = 0; i < size; ++i)
      gradient[i] = static_cast<Index>(i) % (F + 1) == F ? 0 : l2 * ahead[i];
    for (Index r = 0; r < design.rows; ++r) {
      const double* x = design.row(r);
      for (Index k = 0; k < K; ++k)
        scores[static_cast<std::size_t>(k)] =
            std::inner_product(x, x + F + 1, ahead.data() + k * (F + 1), 0.0);
      softmax(scores);
      scores[static_cast<std::size_t>(samples.labels[static_cast<std::size_t>(rows[r])])] -= 1;
      for (Index k = 0; k < K; ++k)
        for (Index f = 0; f <= F; ++f)
          gradient[static_cast<std::size_t>(k * (F + 1) + f)] +=
              scores[static_cast<std::size_t>(k)] * x[f] / n;
    }
    double largest = 0;
    const double momentum = static_cast<double>(t) / static_cast<double>(t + 3);
    for (std::size_t i = 0; i < size; ++i) {
      largest = std::max(largest, std::abs(gradient[i]));
      const double next = ahead[i] - step * gradient[i];
      ahead[i] = next + momentum * (next - w[i]);
      w[i] = next;
    }
    if (largest < kSmallGradient) break;
  }
  probe.weights_ = std::move(w);
  return probe;
}

Index LinearProbe::predict(std::span<const float> x) const {
  Index best = 0;
  double most = 0;
  for (Index k = 0; k < classes_; ++k) {
    const double* w = weights_.data() + k * (features_ + 1);
    double score = w[features_];
    for (std::size_t f = 0; f < x.size(); ++f)
      score += w[f] * (static_cast<double>(x[f]) - mean_[f]) * scale_[f];
    if (k > 0 && score <= most) continue;
    best = k;
    most = score;
  }
  return best;
}

double macro_f1(std::span<const Index> labels, std::span<const Index> predicted, Index classes) {
  double sum = 0;
  Index counted = 0;
  for (Index k = 0; k < classes; ++k) {
    Index hits = 0, truth = 0, said = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      hits += labels[i] == k && predicted[i] == k;
      truth += labels[i] == k;
      said += predicted[i] == k;
    }
    if (truth + said == 0) continue;
    ++counted;
    sum += 2.0 * static_cast<double>(hits) / static_cast<double>(truth + said);
  }
  return counted > 0 ? sum / static_cast<double>(counted) : 0;
}

ProbeScore probe_score(const Samples& samples, const ProbeOptions& options) {
  std::vector<Index> groups;
  for (Index group : std::set<Index>(samples.groups.begin(), samples.groups.end()))
    groups.push_back(group);
  const std::set<Index> classes(samples.labels.begin(), samples.labels.end());
  if (groups.size() < 2 || classes.size() < 2)
    fail(ErrorCode::bad_input,
         "a probing classifier needs two passages and two kinds of answers at least");
  const auto train_groups = std::clamp<std::size_t>(
      static_cast<std::size_t>(
          std::lround(options.train_share * static_cast<double>(groups.size()))),
      1, groups.size() - 1);
  std::vector<double> scores;
  for (Index seed = 0; seed < options.seeds; ++seed) {
    Rng rng(static_cast<std::uint64_t>(seed + 1));
    std::vector<Index> order = groups;
    for (std::size_t i = order.size(); i-- > 1;)
      std::swap(order[i],
                order[static_cast<std::size_t>(rng.uniform() * static_cast<double>(i + 1))]);
    const std::set<Index> train(order.begin(),
                                order.begin() + static_cast<std::ptrdiff_t>(train_groups));
    std::vector<Index> rows, truth, predicted;
    for (Index i = 0; i < samples.size(); ++i)
      if (train.contains(samples.groups[static_cast<std::size_t>(i)])) rows.push_back(i);
    const LinearProbe probe = LinearProbe::train(samples, rows, options.l2);
    for (Index i = 0; i < samples.size(); ++i) {
      if (train.contains(samples.groups[static_cast<std::size_t>(i)])) continue;
      truth.push_back(samples.labels[static_cast<std::size_t>(i)]);
      predicted.push_back(
          probe.predict(std::span(samples.x).subspan(static_cast<std::size_t>(i * samples.features),
                                                     static_cast<std::size_t>(samples.features))));
    }
    scores.push_back(macro_f1(truth, predicted, samples.classes));
  }
  ProbeScore result;
  const auto count = static_cast<double>(scores.size());
  result.macro_f1 = std::accumulate(scores.begin(), scores.end(), 0.0) / count;
  double squares = 0;
  for (double score : scores) squares += std::pow(score - result.macro_f1, 2);
  if (scores.size() > 1) result.deviation = std::sqrt(squares / (count - 1));
  return result;
}

}  // namespace pith::probe
