// What one instruction set contributes to multiply_transposed(). Not for its callers.
#pragma once

#include "base/numbers.h"
#include "kernels/linear.h"

namespace pith {

inline constexpr Index kTransposedColumns = 256;  // the most of a range

// The columns [first, first + count) of x = y w, for all tokens. `first` is a multiple of the
// type's block, and so is `count`, but for the last columns of float types.
struct TransposedRange {
  const WeightMatrix* weights;  // [N, K]
  Index row_bytes;              // of them
  const void* y;  // [T, y_stride] f32, or bf16 for `fast`; N even, or a zero behind it
  Index y_stride, tokens;
  float* x;  // [T, K]
  bool add;  // onto what x holds
  Index first, count;
};

struct TransposedKernels {
  void (*exact)(const TransposedRange& range);
  void (*fast)(const TransposedRange& range);  // weights are rounded to bf16; null where that
                                               // would not be faster
  // Rounds a row of y to bf16; only with `fast`.
  void (*round)(const float* y, Index count, bf16* out);
};

// Null for instruction sets without kernels of their own.
const TransposedKernels* transposed_kernels(Isa isa);
const TransposedKernels& transposed_kernels_avx2();
const TransposedKernels& transposed_kernels_avx512();

}  // namespace pith
