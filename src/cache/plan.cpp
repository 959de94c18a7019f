#include "cache/plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace pith::cache {

Index Plan::kept() const {
  Index n = 0;
  for (const LanePlan& lane : lanes) n += static_cast<Index>(lane.keep.size());
  return n;
}

Index Plan::added() const {
  Index n = 0;
  for (const LanePlan& lane : lanes) n += static_cast<Index>(lane.add.info.size());
  return n;
}

std::string summarize(const Plan& plan, const Shape& shape) {
  std::string text = fmt::format("plan of {} lanes: {} kept, {} added\n", plan.lanes.size(),
                                 plan.kept(), plan.added());
  for (Index layer = 0; layer < shape.layers; ++layer) {
    std::string kept, added;
    for (Index head = 0; head < shape.kv_heads; ++head) {
      const auto lane = static_cast<std::size_t>(shape.lane(layer, head));
      if (lane >= plan.lanes.size()) break;
      kept += fmt::format(" {}", plan.lanes[lane].keep.size());
      added += fmt::format(" {}", plan.lanes[lane].add.info.size());
    }
    text += fmt::format("layer {}: kept{}, added{}\n", layer, kept, added);
  }
  return text;
}

}  // namespace pith::cache
