#include "recipe/row_kernels_body.h"

namespace pith::recipe {

const RowKernels& row_kernels_avx2();
const RowKernels& row_kernels_avx512();

const RowKernels& row_kernels(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return row_kernels_avx512();
    case Isa::avx2:
      return row_kernels_avx2();
    case Isa::scalar:
      break;
  }
  return kKernels;
}

const RowKernels& row_kernels() {
  static const RowKernels& active = row_kernels(active_isa());
  return active;
}

Panels::Panels(std::span<const float> rows, Index n, Index depth)
    : count(ceil_div(n, kPanel)), data(static_cast<std::size_t>(count * depth * kPanel)) {
  for (Index i = 0; i < n; ++i) {
    float* panel = data.data() + i / kPanel * depth * kPanel + i % kPanel;
    for (Index k = 0; k < depth; ++k) panel[k * kPanel] = rows[i * depth + k];
  }
}

}  // namespace pith::recipe
