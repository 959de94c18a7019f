#include "recipe/row_kernels_body.h"

namespace pith::recipe {

const RowKernels& row_kernels_avx512() { return kKernels; }

}  // namespace pith::recipe
