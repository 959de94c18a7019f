// The reference of linear.h: plain loops that accumulate in double. The specification of the
// others.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/linear_kernels.h"

namespace pith {
namespace {

void quantize_row(const float* x, Index cols, const QuantizedRow& out) {
  for (Index b = 0; b < cols / 32; ++b) {
    float most = 0;
    for (Index k = 32 * b; k < 32 * b + 32; ++k) most = std::max(most, std::fabs(x[k]));
    if (most < kLeastActivation) most = 0;
    const float inverse = most > 0 ? 127 / most : 0;
    std::int32_t sums[2] = {0, 0};
    for (Index k = 32 * b; k < 32 * b + 32; ++k) {
      out.q[k] = static_cast<std::int8_t>(std::nearbyint(x[k] * inverse));
      sums[k % 32 / 16] += out.q[k];
    }
    out.scale[b] = most / 127;
    out.sum[b] = out.scale[b] * static_cast<float>(sums[0] + sums[1]);
    out.sums[2 * b] = sums[0];
    out.sums[2 * b + 1] = sums[1];
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
  rows(x, range, [&](Index t, Index k) { return static_cast<double>(x.x[t * x.cols + k]); });
}

void rows_fast(const ActivationState& x, const RowRange& range) {
  rows(x, range, [&](Index t, Index k) {
    const double scale = x.scale[t * (x.cols / 32) + k / 32];
    return scale * x.q[t * x.cols + k];
  });
}

}  // namespace

const LinearKernels& linear_kernels_scalar() {
  static const LinearKernels table = {quantize_row, rows_exact, rows_fast, rows_exact, rows_fast};
  return table;
}

}  // namespace pith
