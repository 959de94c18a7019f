// Elementwise and row kernels in f32: normalisation, activations, rotation; one table per
// instruction set. They are not parallel, and nothing here checks its arguments or fails.
#pragma once

#include "base/types.h"
#include "kernels/isa.h"

namespace pith {

struct VectorKernels {
  // y[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]; weight may be null. x may equal y.
  void (*rms_norm)(const float* x, const float* weight, float eps, Index n, float* y);
  // y[i] = silu(gate[i]) * up[i]
  void (*silu_mul)(const float* gate, const float* up, Index n, float* y);
  // y[i] = gelu_tanh(gate[i]) * up[i]
  void (*gelu_tanh_mul)(const float* gate, const float* up, Index n, float* y);
  // Of y = activation(gate) * up, given dy, the gradient of y: writes those of gate and up, which
  // may be the same memory.
  void (*silu_mul_backward)(const float* gate, const float* up, const float* dy, Index n,
                            float* dgate, float* dup);
  void (*gelu_tanh_mul_backward)(const float* gate, const float* up, const float* dy, Index n,
                                 float* dgate, float* dup);
  // y[i] += a * x[i]
  void (*axpy)(float a, const float* x, Index n, float* y);
  // sum_i a[i] * b[i]
  float (*dot)(const float* a, const float* b, Index n);
  // Rotates pairs (x[i], x[i + D/2]) in place by the angle whose cosine and sine are cos[i],
  // sin[i], i < D/2.
  void (*rope)(float* x, const float* cos, const float* sin, Index head_dim);
  // y[i] = exp(x[i] - shift); returns the sum. x may equal y. An x of -inf gives 0; results below
  // the smallest normal f32 may be 0.
  float (*exp_sum)(const float* x, float shift, Index n, float* y);
  // sum_i x[i]
  float (*sum)(const float* x, Index n);
  // y[i] = max(y[i], a * x[i])
  void (*raise)(float a, const float* x, Index n, float* y);
  // max_i x[i], n > 0
  float (*max)(const float* x, Index n);
};

const VectorKernels& vector_kernels(Isa isa);
const VectorKernels& vector_kernels();  // of active_isa()

}  // namespace pith
