// bf16 and f32: how what is kept and added is stored.

#include "recipe/parts/parts.h"

namespace pith::recipe {

PartInfo bf16_part() {
  return {.name = "bf16",
          .kind = PartKind::format,
          .summary = "2 bytes per number, the reference of all byte ratios",
          .source = "the model's own format",
          .format = cache::Format::bf16};
}

PartInfo f32_part() {
  return {.name = "f32",
          .kind = PartKind::format,
          .summary = "4 bytes per number, for exact comparisons",
          .source = "tests and references",
          .format = cache::Format::f32};
}

}  // namespace pith::recipe
