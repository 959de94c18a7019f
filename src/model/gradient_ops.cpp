#include "model/gradient_ops.h"

#include <cmath>

namespace pith {

// With r = 1 / sqrt(mean(x^2) + eps) and g = dy * weight:  dx = r g - r^3 x (g . x) / n.
void rms_norm_backward(const float* x, const float* weight, const float* dy, float eps, Index n,
                       float* dx) {
  double squares = 0, along = 0;
  for (Index i = 0; i < n; ++i) {
    const double g = weight ? double{dy[i]} * weight[i] : double{dy[i]};
    squares += double{x[i]} * x[i];
    along += g * x[i];
  }
  const double r = 1 / std::sqrt(squares / static_cast<double>(n) + double{eps});
  const auto scale = static_cast<float>(r);
  const auto pull = static_cast<float>(r * r * r * along / static_cast<double>(n));
  for (Index i = 0; i < n; ++i) dx[i] += scale * (weight ? dy[i] * weight[i] : dy[i]) - pull * x[i];
}

ActivationAt activation_at(Activation activation, float x) {
  if (activation == Activation::silu) {
    const float gate = 1 / (1 + std::exp(-x));
    return {x * gate, gate * (1 + x * (1 - gate))};
  }
  // 0.5 x (1 + tanh u), u = sqrt(2/pi) (x + 0.044715 x^3)   (Hendrycks and Gimpel, arXiv
  // 1606.08415)
  constexpr float kRoot = 0.7978845608f, kCubic = 0.044715f;
  const float t = std::tanh(kRoot * (x + kCubic * x * x * x));
  const float inner = kRoot * (1 + 3 * kCubic * x * x);
  return {0.5f * x * (1 + t), 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * inner};
}

void gated_backward(Activation activation, const float* gate, const float* up, const float* dy,
                    Index n, float* dgate, float* dup) {
  for (Index i = 0; i < n; ++i) {
    const ActivationAt at = activation_at(activation, gate[i]);
    const float multiplier = up[i], gradient = dy[i];
    dgate[i] = gradient * multiplier * at.slope;
    dup[i] = gradient * at.value;
  }
}

}  // namespace pith
