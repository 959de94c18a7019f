// The reference of linear.h: plain loops that accumulate in double. The specification of the
// others.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/linear_kernels.h"

namespace pith {
namespace {

constexpr Index kAnyTokens = Index{1} << 62;

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
    for (int i = 0; i < 32; ++i)
      x.q[token * x.cols + 32 * b + i] =
          static_cast<std::int8_t>(std::nearbyint(from[i] * inverse));
    x.scale[at] = most / 127;
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
    return scale * x.q[t * x.cols + k];
  });
}

}  // namespace

const LinearKernels& linear_kernels_scalar() {
  static const LinearKernels table = {prepare, rows_exact, rows_fast,  nullptr,
                                      nullptr, kAnyTokens, kAnyTokens, 1};
  return table;
}

}  // namespace pith
