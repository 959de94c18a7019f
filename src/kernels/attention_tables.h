// The tables that the instruction sets' files define. Not for use outside attention*.cpp.
#pragma once

#include "kernels/attention.h"

// Before a loop over an array of vector registers. Unrolled late, such an array lives in memory and
// is written in every step.
#ifdef __clang__
#define PITH_UNROLL _Pragma("unroll")
#else
#define PITH_UNROLL _Pragma("GCC unroll 8")
#endif

namespace pith {

extern const TileKernels kPackedAvx2[kPackings], kPackedAvx512[kPackings];
extern const AttentionKernels kAttentionScalar, kAttentionAvx2, kAttentionAvx512;

// Of kAttentionAvx512, as AttentionKernels says.
float softmax_avx512(float* x, const float* bias, Index n, float* m);
void scale_avx512(float* x, float factor, Index n);

}  // namespace pith
