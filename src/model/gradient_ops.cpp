#include "model/gradient_ops.h"

#include <cmath>

#include "kernels/vector.h"

namespace pith {

void rms_norm_backward(const float* x, const float* weight, const float* dy, float eps, Index n,
                       float* dx) {
  vector_kernels(Isa::scalar).rms_norm_backward(x, weight, dy, eps, n, dx);
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
