// The table of functions that one instruction set contributes to linear.h, and the prepared form of
// activations that they share. Not for callers of multiply().
#pragma once

#include <cstdint>

#include "kernels/linear.h"

namespace pith {

inline constexpr Index kActivationBlock = 32;
inline constexpr float kLeastActivation =
    1e-30f;  // a block below counts as zero: 127 / x is finite

// One token's activations as int8: x[k] is about scale[k / 32] * q[k], |q| <= 127.
struct QuantizedRow {
  std::int8_t* q;      // [K]
  float* scale;        // [K / 32]
  float* sum;          // [K / 32]  scale * sum of q, for the minima of weight blocks
  std::int32_t* sums;  // [K / 16]  sums of q, for the zero points of weight blocks
};

struct Activations::State {
  virtual ~State() = default;

  Isa isa = Isa::scalar;
  Numerics numerics = Numerics::exact;
  Index tokens = 0, cols = 0;
  const float* x = nullptr;  // [T, K]
  // Only if `quantized`, which fast numerics imply where K is a multiple of 32.
  bool quantized = false;
  const std::int8_t* q = nullptr;      // [T, K]
  const float* scale = nullptr;        // [T, K / 32]
  const float* sum = nullptr;          // [T, K / 32]
  const std::int32_t* sums = nullptr;  // [T, K / 16]
};
using ActivationState = Activations::State;

// The rows [first, first + count) of one product, for all tokens.
struct RowRange {
  const Product* product;
  Index first, count;
};

struct LinearKernels {
  void (*quantize)(const float* x, Index cols, const QuantizedRow& out);
  // With f32 activations, and with int8 activations (quantised weights only).
  void (*rows_exact)(const ActivationState& x, const RowRange& range);
  void (*rows_fast)(const ActivationState& x, const RowRange& range);
  // The same for many tokens. `first` and `count` are multiples of 16, except at the last row.
  void (*panels_exact)(const ActivationState& x, const RowRange& range);
  void (*panels_fast)(const ActivationState& x, const RowRange& range);
};

const LinearKernels& linear_kernels(Isa isa);
const LinearKernels& linear_kernels_scalar();

// Whether the weights have codes to multiply int8 activations with; the float types have not.
inline bool is_quantized(WeightType type) { return info(type).block > 1; }

}  // namespace pith
