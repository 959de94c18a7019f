#include "recipe/leverage.h"

#include <algorithm>
#include <cmath>

#include "recipe/row_kernels.h"

namespace pith::recipe {
namespace {

// ridge I + sum_t w_t x_t x_t'. Sums over 256 rows are kept in float, 32 rows at a time, all others
// in double.
std::vector<double> gram(std::span<const float> rows, Index k, double ridge,
                         std::span<const float> weights) {
  constexpr Index kRows = 32, kFloatRows = 256;
  const Index n = std::ssize(rows) / k, stride = ceil_div(k, kPanel) * kPanel;
  std::vector<double> out(static_cast<std::size_t>(k * k));
  for (Index i = 0; i < k; ++i) out[i * k + i] = ridge;
  std::vector<float> columns, weighted, product(static_cast<std::size_t>(k * stride)),
      partial(product.size());
  for (Index first = 0; first < n; first += kRows) {
    const Index count = std::min(kRows, n - first);
    columns.resize(static_cast<std::size_t>(k * count));
    for (Index t = 0; t < count; ++t)
      for (Index i = 0; i < k; ++i) columns[i * count + t] = rows[(first + t) * k + i];
    weighted = columns;
    if (!weights.empty())
      for (Index i = 0; i < k; ++i)
        for (Index t = 0; t < count; ++t) weighted[i * count + t] *= weights[first + t];
    const Panels panels(weighted, k, count);
    row_kernels().multiply(columns.data(), k, panels.data.data(), panels.count, count,
                           product.data(), stride);
    for (std::size_t i = 0; i < product.size(); ++i) partial[i] += product[i];
    if ((first + kRows) % kFloatRows != 0 && first + kRows < n) continue;
    for (Index i = 0; i < k; ++i)
      for (Index j = 0; j < k; ++j) out[i * k + j] += double{partial[i * stride + j]};
    std::fill(partial.begin(), partial.end(), 0.0f);
  }
  return out;
}

// The inverse of a lower triangle.
std::vector<float> inverse(std::span<const double> lower, Index k) {
  std::vector<double> out(static_cast<std::size_t>(k * k));
  for (Index j = 0; j < k; ++j) {
    out[j * k + j] = 1 / lower[j * k + j];
    for (Index i = j + 1; i < k; ++i) {
      double sum = 0;
      for (Index m = j; m < i; ++m) sum += lower[i * k + m] * out[m * k + j];
      out[i * k + j] = -sum / lower[i * k + i];
    }
  }
  return {out.begin(), out.end()};
}

}  // namespace

void cholesky(std::span<double> a, Index k) {
  for (Index i = 0; i < k; ++i) {
    for (Index j = 0; j <= i; ++j) {
      double sum = a[i * k + j];
      for (Index m = 0; m < j; ++m) sum -= a[i * k + m] * a[j * k + m];
      a[i * k + j] = i == j ? std::sqrt(sum) : sum / a[j * k + j];
    }
    for (Index j = i + 1; j < k; ++j) a[i * k + j] = 0;
  }
}

// With L L' the matrix, x' (L L')^-1 x = ||L^-1 x||^2, which cannot become negative.
std::vector<float> leverage(std::span<const float> rows, Index k, double ridge,
                            std::span<const float> weights) {
  constexpr Index kBlock = 32;
  const Index n = std::ssize(rows) / k, stride = ceil_div(k, kPanel) * kPanel;
  std::vector<double> matrix = gram(rows, k, ridge, weights);
  cholesky(matrix, k);
  const Panels panels(inverse(matrix, k), k, k);
  std::vector<float> out(static_cast<std::size_t>(n)),
      solved(static_cast<std::size_t>(kBlock * stride));
  for (Index first = 0; first < n; first += kBlock) {
    const Index count = std::min(kBlock, n - first);
    row_kernels().multiply(rows.data() + first * k, count, panels.data.data(), panels.count, k,
                           solved.data(), stride);
    for (Index t = 0; t < count; ++t)
      for (Index i = 0; i < k; ++i)
        out[first + t] += solved[t * stride + i] * solved[t * stride + i];
  }
  return out;
}

void standardise(std::span<std::vector<float>> lanes) {
  double sum = 0, square = 0, count = 0;
  for (const auto& lane : lanes)
    for (float s : lane)
      if (is_computed(s)) {
        sum += double{s};
        ++count;
      }
  const double mean = count > 0 ? sum / count : 0;
  for (const auto& lane : lanes)
    for (float s : lane)
      if (is_computed(s)) square += (double{s} - mean) * (double{s} - mean);
  const double deviation = std::max(std::sqrt(square / std::max(count - 1, 1.0)), 1e-6);
  for (auto& lane : lanes)
    for (float& s : lane)
      if (is_computed(s)) s = static_cast<float>((double{s} - mean) / deviation);
}

std::vector<float> unrotated_keys(const Scene& scene, Index lane) {
  std::vector<float> keys = scene.keys(lane);
  const auto& all = scene.cache().rotation().inverse_frequencies;
  if (all.empty()) return keys;
  const std::vector<double>& frequencies = all[lane / scene.shape().kv_heads];
  const Index half = std::ssize(frequencies), depth = scene.shape().head_dim;
  const auto info = scene.info(lane);
  // Most entries follow the one before: one complex product per pair instead of a sine and a
  // cosine.
  std::vector<double> cosine(frequencies.size()), sine(cosine), step_c(cosine), step_s(cosine);
  for (Index i = 0; i < half; ++i) {
    step_c[i] = std::cos(frequencies[i]);
    step_s[i] = std::sin(frequencies[i]);
  }
  float last = -2;
  for (Index j = 0; j < std::ssize(info); ++j) {
    const float position = info[j].position;
    const bool next = position == last + 1;
    for (Index i = 0; i < half; ++i) {
      const double c = next ? cosine[i] * step_c[i] - sine[i] * step_s[i]
                            : std::cos(double{position} * frequencies[i]);
      sine[i] = next ? sine[i] * step_c[i] + cosine[i] * step_s[i]
                     : std::sin(double{position} * frequencies[i]);
      cosine[i] = c;
    }
    last = position;
    float* key = keys.data() + j * depth;
    for (Index i = 0; i < half; ++i) {
      const float a = key[i], b = key[i + half];
      const auto c = static_cast<float>(cosine[i]), s = static_cast<float>(sine[i]);
      key[i] = a * c + b * s;
      key[i + half] = b * c - a * s;
    }
  }
  return keys;
}

}  // namespace pith::recipe
