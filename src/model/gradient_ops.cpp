#include "model/gradient_ops.h"

#include <cmath>

#include "kernels/vector.h"

namespace pith {

// With r = 1 / sqrt(mean(x^2) + eps) and g = dy * weight:  dx = r g - r^3 x (g . x) / n.
void rms_norm_backward(const float* x, const float* weight, const float* dy, float eps, Index n,
                       float* dx) {
  double squares = 0, along = 0;
  for (Index i = 0; i < n; ++i) {
    squares += double{x[i]} * x[i];
    along += double{dy[i]} * (weight ? weight[i] : 1) * x[i];
  }
  const double r = 1 / std::sqrt(squares / static_cast<double>(n) + double{eps});
  const double pull = r * r * r * along / static_cast<double>(n);
  for (Index i = 0; i < n; ++i)
    dx[i] += static_cast<float>(r * dy[i] * (weight ? weight[i] : 1) - pull * x[i]);
}

void gated_backward(Activation activation, const float* gate, const float* up, const float* dy,
                    Index n, float* dgate, float* dup) {
  const auto& kernels = vector_kernels();
  (activation == Activation::silu ? kernels.silu_mul_backward : kernels.gelu_tanh_mul_backward)(
      gate, up, dy, n, dgate, dup);
}

float silu_slope(float x) {
  const float gate = 1 / (1 + std::exp(-x));
  return gate * (1 + x * (1 - gate));
}

}  // namespace pith
