// The reference of linear.h: plain loops that accumulate in double. The specification of the
// others.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/linear_kernels.h"

namespace pith {
namespace {

void prepare(const ActivationState& x, Index token) {
  const float* from = x.x + token * x.x_stride;
  for (Index b = 0; b < x.cols / 32; ++b, from += 32) {
    const Index at = token * x.block_stride + b;
    if (!x.quantized) {
      x.sum[at] = std::accumulate(from, from + 32, 0.0f);
      continue;
    }
    float most = 0;
    for (int i = 0; i < 32; ++i) most = std::max(most, std::fabs(from[i]));
    if (most < kLeastActivation) most = 0;
    const float inverse = most > 0 ? 127 / most : 0;
    std::int8_t* q = x.q + token * x.q_stride + 32 * b;
    std::int32_t sums[2] = {0, 0};
    for (int i = 0; i < 32; ++i) {
      q[i] = static_cast<std::int8_t>(std::nearbyint(from[i] * inverse));
      sums[i / 16] += q[i];
    }
    const float scale = most / 127;
    x.scale[at] = scale;
    x.sum[at] = scale * static_cast<float>(sums[0] + sums[1]);
    x.minus_sum[at] = -(sums[0] + sums[1]);
    for (int i = 0; i < 2; ++i) {
      x.half_sum[2 * at + i] = scale * static_cast<float>(sums[i]);
      x.minus_half_sum[2 * at + i] = -sums[i];
    }
  }
}

template <typename Activation>
void rows(const ActivationState& x, const RowRange& range, Activation activation) {
  const Product& p = *range.product;
  std::vector<float> weights(static_cast<std::size_t>(x.cols));
  for (Index n = range.first; n < range.first + range.count; ++n) {
    dequantize(p.weights, n, 0, x.cols, weights);
    for (Index t = 0; t < x.tokens; ++t) {
      double sum = p.bias ? p.bias[n] : 0;
      for (Index k = 0; k < x.cols; ++k)
        sum += activation(t, k) * static_cast<double>(weights[static_cast<std::size_t>(k)]);
      p.y[t * p.stride + n] = static_cast<float>(sum);
    }
  }
}

void rows_exact(const ActivationState& x, const RowRange& range) {
  rows(x, range, [&](Index t, Index k) { return static_cast<double>(x.x[t * x.x_stride + k]); });
}

void rows_fast(const ActivationState& x, const RowRange& range) {
  rows(x, range, [&](Index t, Index k) {
    const double scale = x.scale[t * x.block_stride + k / 32];
    return scale * x.q[t * x.q_stride + k];
  });
}

}  // namespace

const LinearKernels& linear_kernels_scalar() {
  static const LinearKernels table = {prepare, rows_exact, rows_fast, rows_exact, rows_fast, 1, 1};
  return table;
}

}  // namespace pith
