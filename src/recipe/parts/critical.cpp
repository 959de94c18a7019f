// critical: half of what a lane keeps is chosen by the score, the other half by the score times the
// size of the value behind the output projection, which bounds what is lost by leaving it out.

#include <algorithm>
#include <numeric>

#include "recipe/parts/parts.h"
#include "recipe/select.h"

namespace pith::recipe {
namespace {

// (score + epsilon) * mean ||Wo_h v||_1, except for entries that are protected or not wanted.
std::vector<float> products(const Scene& scene, const Arguments& arguments, Index lane,
                            std::span<const float> scores) {  // [n]
  const Index head = lane % scene.shape().kv_heads, tokens = scene.signals().tokens;
  const auto signal = std::span(scene.layer(lane / scene.shape().kv_heads).projected_values);
  std::vector<float> out = scene.by_entry(
      lane,
      signal.subspan(static_cast<std::size_t>(head * tokens), static_cast<std::size_t>(tokens)));
  for (std::size_t j = 0; j < out.size(); ++j) {
    out[j] = is_computed(scores[j])
                 ? weighted(scores[j] + static_cast<float>(arguments.real("epsilon")), out[j])
                 : scores[j];
  }
  return out;
}

Index first_half(const Arguments& arguments, Index count) {
  const auto half = static_cast<Index>(static_cast<double>(count) * arguments.real("first"));
  return arguments.real("first") > 0 && count > 0 ? std::max<Index>(half, 1) : 0;
}

void adjust(const Scene& scene, const Arguments& arguments, Scores& scores) {
  if (arguments.choice("sizes") == "score") return;
  for (Index lane : scene.lanes()) {
    auto& own = scores.lanes[lane];
    const auto sure = best_entries(own, first_half(arguments, scene.share(lane, 0)));
    std::vector<float> product = products(scene, arguments, lane, own);
    for (std::int32_t j : sure) product[j] = std::max(own[j], kForced);
    own = std::move(product);
  }
}

void refine(const Scene& scene, const Arguments& arguments, const Scores& scores,
            Selection& selection) {
  if (arguments.choice("sizes") == "product") return;
  for (Index lane : scene.lanes()) {
    const auto& own = scores.lanes[lane];
    const Index count = std::ssize(selection.keep[lane]);
    // What the allocator guarantees by score is not given up.
    const Index guaranteed = selection.sure.empty() ? 0 : selection.sure[lane];
    const auto sure = best_entries(own, std::max(first_half(arguments, count), guaranteed));
    std::vector<float> product = products(scene, arguments, lane, own);
    for (std::int32_t j : sure) product[j] = std::max(own[j], kForced);
    selection.keep[lane] = best_entries(product, count);
  }
}

}  // namespace

PartInfo critical_part() {
  return {.name = "critical",
          .kind = PartKind::adjuster,
          .summary = "half of the room goes by score, half by score times the projected value",
          .source = "CriticalKV, arXiv 2502.03805",
          .cost = Cost::values,
          .parameters =
              {choice("sizes", {"score", "product"},
                      "what decides how many entries a lane keeps: the score, or the product with "
                      "the first half of each lane's equal share of the budget set apart"),
               real("first", "0.5", 0, 1, "the part of a lane that goes by the score alone"),
               real("epsilon", "0.0001", 0, 1, "added to the score before it is multiplied")},
          .needs = [](const Arguments&) { return SignalNeeds{.projected_values = true}; },
          .adjust = adjust,
          .refine = refine};
}

}  // namespace pith::recipe
