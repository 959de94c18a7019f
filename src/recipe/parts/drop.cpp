// drop: what is not kept is gone.

#include "recipe/parts/parts.h"

namespace pith::recipe {

PartInfo drop_part() {
  return {.name = "drop",
          .kind = PartKind::realiser,
          .summary = "what is not kept is gone; survivors stay at their positions",
          .source = "KVzip, arXiv 2505.23416, and kvpress keep positions too",
          .cost = Cost::columns,
          .realise = [](const Scene&, const Arguments&, const Scores&, cache::Plan&) {}};
}

}  // namespace pith::recipe
