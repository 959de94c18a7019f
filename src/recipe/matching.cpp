#include "recipe/matching.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

#include "recipe/parts/parts.h"
#include "recipe/row_kernels.h"

namespace pith::recipe {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

std::vector<float> transposed(std::span<const float> matrix, Index rows, Index width) {
  constexpr Index kTile = 16;  // both sides of a tile stay in the nearest cache
  std::vector<float> out(matrix.size());
  for (Index top = 0; top < rows; top += kTile)
    for (Index left = 0; left < width; left += kTile)
      for (Index i = top; i < std::min(top + kTile, rows); ++i)
        for (Index j = left; j < std::min(left + kTile, width); ++j)
          out[j * rows + i] = matrix[i * width + j];
  return out;
}

float mean_squared_column(std::span<const float> a, Index width) {
  double sum = 0;
  for (float x : a) sum += double{x} * x;
  return static_cast<float>(sum / static_cast<double>(width));
}

float longest_row(std::span<const float> rows, Index depth) {
  float most = 0;
  for (std::size_t i = 0; i < rows.size(); i += static_cast<std::size_t>(depth))
    most = std::max(most, dot(&rows[i], &rows[i], depth));
  return std::sqrt(most);
}

// y += A x and y = A' x for row-major A.
void add_product(std::span<const float> a, std::span<const float> x, std::span<float> y) {
  const Index width = std::ssize(x);
  for (std::size_t r = 0; r < y.size(); ++r)
    y[r] += dot(a.data() + static_cast<Index>(r) * width, x.data(), width);
}
void transposed_product(std::span<const float> a, std::span<const float> x, std::span<float> y) {
  std::fill(y.begin(), y.end(), 0.0f);
  const Index width = std::ssize(y);
  for (std::size_t r = 0; r < x.size(); ++r) {
    const float* row = a.data() + static_cast<Index>(r) * width;
    for (Index j = 0; j < width; ++j) y[j] += x[r] * row[j];
  }
}

// y = A' (A x - b), each row of A read once.
void residual_gradient(std::span<const float> a, std::span<const float> x, std::span<const float> b,
                       std::span<float> y) {
  std::fill(y.begin(), y.end(), 0.0f);
  const Index width = std::ssize(x), rows = std::ssize(a) / width;
  for (Index r = 0; r < rows; ++r) {
    const float* row = a.data() + r * width;
    const float error = dot(row, x.data(), width) - b[r];
    for (Index j = 0; j < width; ++j) y[j] += error * row[j];
  }
}

// The largest eigenvalue of A'A from above: power iteration, and a margin.
float curvature(std::span<const float> a, Index rows, Index width) {
  std::vector<float> x(static_cast<std::size_t>(width), 1.0f), y(static_cast<std::size_t>(rows));
  float value = 0;
  for (int i = 0; i < 8; ++i) {
    const float norm = std::sqrt(dot(x.data(), x.data(), width));
    if (!(norm > 0)) return 0;
    for (float& one : x) one /= norm;
    std::fill(y.begin(), y.end(), 0.0f);
    add_product(a, x, y);
    value = dot(y.data(), y.data(), rows);
    transposed_product(a, y, x);
  }
  return 1.1f * value;
}

// Solves (G + lambda I) Z = B in place; false where G + lambda I is not positive definite.
bool solve(std::vector<float> gram, Index size, float lambda, std::vector<float>& b) {
  Eigen::Map<Matrix> g(gram.data(), size, size);
  g.diagonal().array() += lambda;
  const Eigen::LLT<Eigen::Ref<Matrix>> factor(g);
  if (factor.info() != Eigen::Success) return false;
  Eigen::Map<Matrix> right(b.data(), size, std::ssize(b) / size);
  factor.solveInPlace(right);
  return right.allFinite();
}

}  // namespace

void weigh_rows(std::span<const float> weights, std::span<float> matrix) {
  if (weights.empty()) return;
  const std::size_t width = matrix.size() / weights.size();
  for (std::size_t r = 0; r < weights.size(); ++r) {
    const float root = std::sqrt(weights[r]);
    for (float& x : matrix.subspan(r * width, width)) x *= root;
  }
}

void change_keys(std::span<const float> rows, Index depth, std::span<const float> before,
                 std::span<const float> after, std::span<float> a) {
  constexpr float kMost = 30;  // e^30: weights stay finite whatever became of a key
  const Index kept = std::ssize(before) / depth;
  std::vector<float> difference(before.size());
  for (std::size_t i = 0; i < before.size(); ++i) difference[i] = after[i] - before[i];
  const std::vector<float> logits =
      times_transposed(rows, std::ssize(rows) / depth, difference, kept, depth);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] *= std::exp(std::clamp(logits[i], -kMost, kMost));
}

std::vector<float> columns_of(std::span<const float> matrix, Index width,
                              std::span<const std::int32_t> keep) {
  const Index rows = std::ssize(matrix) / width, kept = std::ssize(keep);
  std::vector<float> out(static_cast<std::size_t>(rows * kept));
  for (Index r = 0; r < rows; ++r)
    for (Index j = 0; j < kept; ++j) out[r * kept + j] = matrix[r * width + keep[j]];
  return out;
}

std::vector<float> fit_multiplicities(std::span<const float> a, Index kept,
                                      const MultiplicityFit& fit) {
  std::vector<float> b(static_cast<std::size_t>(kept), 1.0f);
  if (kept == 0) return b;
  const Index rows = std::ssize(a) / kept;
  const float lambda = fit.ridge * mean_squared_column(a, kept);
  const float top = curvature(a, rows, kept) + lambda;
  if (!(top > 0) || !std::isfinite(top)) return b;
  std::vector<float> ahead = b, gradient(b.size());
  const std::vector<float> ones(static_cast<std::size_t>(rows), 1.0f);
  const std::span<const float> mass = fit.mass.empty() ? ones : fit.mass;
  double momentum = 1;
  for (Index i = 0; i < fit.iterations; ++i) {  // Beck and Teboulle 2009
    residual_gradient(a, ahead, mass, gradient);
    const double next = (1 + std::sqrt(1 + 4 * momentum * momentum)) / 2;
    const auto carry = static_cast<float>((momentum - 1) / next);
    momentum = next;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const float step = (gradient[j] + lambda * (ahead[j] - 1)) / top;
      const float now = std::clamp(ahead[j] - step, fit.least, fit.most);
      ahead[j] = now + carry * (now - b[j]);
      b[j] = now;
    }
  }
  return b;
}

std::vector<float> renormalised(std::span<const float> a, std::span<const float> b) {
  const Index kept = std::ssize(b);
  std::vector<float> out(a.begin(), a.end());
  for (std::size_t i = 0; i < out.size(); i += static_cast<std::size_t>(kept)) {
    float sum = 0;
    for (Index j = 0; j < kept; ++j) sum += out[i + j] *= b[j];
    if (sum > 0)
      for (Index j = 0; j < kept; ++j) out[i + j] /= sum;
  }
  return out;
}

std::vector<float> fit_values(std::span<const float> x, Index kept, std::span<const float> y,
                              std::span<const float> v, Index depth, float ridge) {
  constexpr int kAttempts = 5;
  constexpr float kLongest = 8;
  std::vector<float> original(v.begin(), v.end());
  if (kept == 0) return original;
  const Index rows = std::ssize(x) / kept;
  const bool wide = kept > rows;  // fewer equations than unknowns: solve for the rows instead
  const std::vector<float> xt = transposed(x, rows, kept);
  std::vector<float> error = product(x, rows, v, depth);
  for (std::size_t i = 0; i < error.size(); ++i) error[i] = y[i] - error[i];
  const std::vector<float> squares = wide ? gram(x, rows, kept) : gram(xt, kept, rows);
  const std::vector<float> right = wide ? error : product(xt, kept, error, depth);
  const float scale = mean_squared_column(x, kept), longest = kLongest * longest_row(v, depth);
  float lambda = std::max(ridge, 1e-6f) * scale;
  for (int attempt = 0; attempt < kAttempts; ++attempt, lambda *= 10) {
    std::vector<float> change = right;
    if (!solve(squares, wide ? rows : kept, lambda, change)) continue;
    if (wide) change = product(xt, kept, change, depth);
    for (std::size_t i = 0; i < change.size(); ++i) change[i] += v[i];
    if (longest_row(change, depth) <= longest) return change;
  }
  return original;
}

std::vector<std::int32_t> pursue(std::span<const float> p, Index n, Index count,
                                 std::span<const std::int32_t> fixed, const MultiplicityFit& fit) {
  constexpr Index kTogether = 4;
  const Index rows = std::ssize(p) / n;
  std::vector<std::int32_t> chosen(fixed.begin(), fixed.end());
  std::vector<bool> taken(static_cast<std::size_t>(n));
  for (std::int32_t j : chosen) taken[j] = true;
  std::vector<float> missing(static_cast<std::size_t>(rows)), gain(static_cast<std::size_t>(n));
  std::vector<float> b(chosen.size(), 1.0f);
  MultiplicityFit quick = fit;
  quick.iterations = 8;
  for (Index step = 0; std::ssize(chosen) < count; ++step) {
    if (step % 2 == 0) b = fit_multiplicities(columns_of(p, n, chosen), std::ssize(chosen), quick);
    b.resize(chosen.size(), 1.0f);
    for (Index r = 0; r < rows; ++r) {
      missing[r] = fit.mass.empty() ? 1 : fit.mass[r];
      for (std::size_t j = 0; j < chosen.size(); ++j) missing[r] -= p[r * n + chosen[j]] * b[j];
    }
    transposed_product(p, missing, gain);
    std::vector<std::int32_t> open;
    for (std::int32_t j = 0; j < n; ++j)
      if (!taken[j]) open.push_back(j);
    const Index more = std::min({kTogether, count - std::ssize(chosen), std::ssize(open)});
    std::partial_sort(open.begin(), open.begin() + more, open.end(),
                      [&](std::int32_t i, std::int32_t j) {
                        return gain[i] != gain[j] ? gain[i] > gain[j] : i < j;
                      });
    for (Index i = 0; i < more; ++i) {
      chosen.push_back(open[i]);
      taken[open[i]] = true;
    }
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace pith::recipe
