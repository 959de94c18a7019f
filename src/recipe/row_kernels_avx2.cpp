#include "recipe/row_kernels_body.h"

namespace pith::recipe {

const RowKernels& row_kernels_avx2() { return kKernels; }

}  // namespace pith::recipe
