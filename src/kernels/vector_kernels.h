// The tables that vector_avx2.cpp and vector_avx512.cpp contribute to vector.h. Not for callers of
// vector_kernels().
#pragma once

#include "kernels/vector.h"

namespace pith {

const VectorKernels& vector_kernels_avx2();
const VectorKernels& vector_kernels_avx512();

}  // namespace pith
