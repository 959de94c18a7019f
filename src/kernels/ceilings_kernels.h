// Loops that do nothing but one kind of work, one set per instruction set. They compute no result
// that anyone wants.
#pragma once

#include <cstddef>

#include "base/types.h"

namespace pith {

// Each arithmetic loop does `rounds` rounds of independent operations; `ops` are counted per round.
struct CeilingLoop {
  void (*run)(Index rounds);
  double ops_per_round;
};

struct CeilingKernels {
  // Returns a value that depends on every byte, so that nothing is left out.
  std::uint64_t (*read)(const std::byte* p, Index bytes);
  CeilingLoop f32, bf16, int8;  // run is null for what is absent
};

const CeilingKernels& ceiling_kernels_scalar();
const CeilingKernels& ceiling_kernels_avx2();
const CeilingKernels& ceiling_kernels_avx512();

}  // namespace pith
