#include "kernels/attention_tables.h"
namespace pith {
const AttentionKernels kAttentionAvx2 = kAttentionScalar;
}
