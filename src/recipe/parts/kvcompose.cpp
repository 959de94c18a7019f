// kvcompose: the context is read a second time, behind itself; the largest weight that any of these
// queries gave, mean over the query heads of a group, plus the mean of that over the layer's KV
// heads, which lets heads agree.

#include <algorithm>

#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  const Index heads = scene.shape().kv_heads, group = scene.group(),
              tokens = scene.signals().tokens;
  const std::span<const float> signal = scene.layer(layer).second_pass;
  std::vector<float> own(static_cast<std::size_t>(heads * tokens)),
      mean(static_cast<std::size_t>(tokens));
  for (Index head = 0; head < heads; ++head)
    group_score(scene,
                signal.subspan(static_cast<std::size_t>(head * group * tokens),
                               static_cast<std::size_t>(group * tokens)),
                std::span(own).subspan(static_cast<std::size_t>(head * tokens), mean.size()));
  group_mean(own, heads, mean);
  for (Index head = 0; head < heads; ++head) {
    std::vector<float> token(own.begin() + head * tokens, own.begin() + (head + 1) * tokens);
    if (arguments.flag("agree"))
      for (Index t = 0; t < tokens; ++t) token[t] += mean[t];
    lanes[head] = scene.by_entry(scene.shape().lane(layer, head), token);
  }
}

}  // namespace

PartInfo kvcompose_part() {
  return {
      .name = "kvcompose",
      .kind = PartKind::scorer,
      .summary =
          "the largest attention received when the context is read again, heads partly agreeing",
      .source = "KVCompose, arXiv 2509.05165",
      .cost = Cost::replay,
      .parameters = {flag("agree", "true", "add the mean over the layer's heads")},
      .needs = [](const Arguments&) { return SignalNeeds{.second_pass = true}; },
      .score = score,
      .default_allocator = "composite"};
}

}  // namespace pith::recipe
