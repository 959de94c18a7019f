// What this machine can do at most with the active instruction set: the figures to hold a kernel's
// rate against, measured in the same process and minute. It is not a benchmark of pith.
#pragma once

#include "base/thread_pool.h"
#include "kernels/isa.h"

namespace pith {

struct Ceilings {
  double read_gb_per_s = 0;  // sequential read of memory, 10^9 bytes
  double f32_gflop_per_s = 0;
  double bf16_gflop_per_s = 0;  // 0 where the instruction set has no bf16 products
  double int8_gop_per_s = 0;    // u8 times s8 into s32
};

// All threads of the pool together, the best of several short runs; takes about a second.
Ceilings measure_ceilings(ThreadPool& pool, Isa isa = active_isa());

}  // namespace pith
