// The tables that the instruction sets' files define. Not for use outside attention*.cpp.
#pragma once

#include "kernels/attention.h"

namespace pith {

extern const AttentionKernels kAttentionScalar, kAttentionAvx2, kAttentionAvx512;

}  // namespace pith
