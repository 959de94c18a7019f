// The reference kernels of vector.h, in double where that is free of surprises, and the choice of a
// table.
#include "kernels/vector.h"

#include <algorithm>
#include <cmath>

#include "kernels/vector_kernels.h"

namespace pith {
namespace {

void rms_norm(const float* x, const float* weight, float eps, Index n, float* y) {
  double squares = 0;
  for (Index i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * x[i];
  const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + eps);
  for (Index i = 0; i < n; ++i) y[i] = static_cast<float>(x[i] * scale * (weight ? weight[i] : 1));
}

void silu_mul(const float* gate, const float* up, Index n, float* y) {
  for (Index i = 0; i < n; ++i) {
    const double x = gate[i];
    y[i] = static_cast<float>(x / (1 + std::exp(-x)) * up[i]);
  }
}

// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3)
void gelu_tanh_mul(const float* gate, const float* up, Index n, float* y) {
  for (Index i = 0; i < n; ++i) {
    const double x = gate[i];
    const double u = 0.7978845608028654 * (x + 0.044715 * x * x * x);
    y[i] = static_cast<float>(x / (1 + std::exp(-2 * u)) * up[i]);
  }
}

// Of x s(w) with s the logistic function and w' = dw/dx: s + x s (1 - s) w'.
void gated_backward(double x, double w, double slope, float up, float dy, float& dgate,
                    float& dup) {
  const double gate = 1 / (1 + std::exp(-w)), rest = 1 / (1 + std::exp(w));
  dgate = static_cast<float>(dy * up * gate * (1 + x * rest * slope));
  dup = static_cast<float>(dy * x * gate);
}

void silu_mul_backward(const float* gate, const float* up, const float* dy, Index n, float* dgate,
                       float* dup) {
  for (Index i = 0; i < n; ++i) gated_backward(gate[i], gate[i], 1, up[i], dy[i], dgate[i], dup[i]);
}

void gelu_tanh_mul_backward(const float* gate, const float* up, const float* dy, Index n,
                            float* dgate, float* dup) {
  for (Index i = 0; i < n; ++i) {
    const double x = gate[i], twice_root = 2 * 0.7978845608028654;
    gated_backward(x, twice_root * (x + 0.044715 * x * x * x),
                   twice_root * (1 + 3 * 0.044715 * x * x), up[i], dy[i], dgate[i], dup[i]);
  }
}

void axpy(float a, const float* x, Index n, float* y) {
  for (Index i = 0; i < n; ++i) y[i] += a * x[i];
}

float dot(const float* a, const float* b, Index n) {
  double sum = 0;
  for (Index i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
  return static_cast<float>(sum);
}

void rope(float* x, const float* cos, const float* sin, Index head_dim) {
  const Index half = head_dim / 2;
  for (Index i = 0; i < half; ++i) {
    const float a = x[i], b = x[i + half];
    x[i] = a * cos[i] - b * sin[i];
    x[i + half] = b * cos[i] + a * sin[i];
  }
}

float exp_sum(const float* x, float shift, Index n, float* y) {
  double sum = 0;
  for (Index i = 0; i < n; ++i) {
    y[i] = std::exp(x[i] - shift);
    sum += y[i];
  }
  return static_cast<float>(sum);
}

float sum(const float* x, Index n) {
  double sum = 0;
  for (Index i = 0; i < n; ++i) sum += x[i];
  return static_cast<float>(sum);
}

void raise(float a, const float* x, Index n, float* y) {
  for (Index i = 0; i < n; ++i) y[i] = std::max(y[i], a * x[i]);
}

float max(const float* x, Index n) { return *std::max_element(x, x + n); }

constexpr VectorKernels kScalar = {
    rms_norm, silu_mul, gelu_tanh_mul, silu_mul_backward, gelu_tanh_mul_backward,
    axpy,     dot,      rope,          exp_sum,           sum,
    raise,    max};

}  // namespace

const VectorKernels& vector_kernels(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return vector_kernels_avx512();
    case Isa::avx2:
      return vector_kernels_avx2();
    case Isa::scalar:
      break;
  }
  return kScalar;
}

const VectorKernels& vector_kernels() {
  static const VectorKernels& table = vector_kernels(active_isa());
  return table;
}

}  // namespace pith
