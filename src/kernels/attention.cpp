#include "kernels/attention.h"

#include "kernels/attention_tables.h"

namespace pith {

const AttentionKernels& attention_kernels(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return kAttentionAvx512;
    case Isa::avx2:
      return kAttentionAvx2;
    case Isa::scalar:
      break;
  }
  return kAttentionScalar;
}

const AttentionKernels& attention_kernels(Index head_dim) {
  return attention_kernels(head_dim % 16 == 0 ? active_isa() : Isa::scalar);
}

}  // namespace pith
