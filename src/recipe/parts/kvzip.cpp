// kvzip: how much a replay of the context ("repeat the previous context exactly") looks at each
// entry: the maximum over replay queries and the group's query heads.

#include <algorithm>

#include "recipe/parts/replay.h"

namespace pith::recipe {
namespace {

float median(std::vector<float> x) {
  if (x.empty()) return 0;
  const auto middle = x.begin() + std::ssize(x) / 2;
  std::nth_element(x.begin(), middle, x.end());
  return *middle;
}

void score(const Scene& scene, const Arguments& arguments, Index layer,
           std::span<std::vector<float>> lanes) {
  score_replay(scene, arguments, layer, scene.layer(layer).replay, lanes);
}

}  // namespace

void score_replay(const Scene& scene, const Arguments& arguments, Index layer,
                  std::span<const float> signal, std::span<std::vector<float>> lanes) {
  const Index tokens = scene.signals().tokens, prefix = scene.signals().prefix_tokens;
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    const auto info = scene.info(lane);
    lanes[head] = scene.by_entry(lane, signal.subspan(static_cast<std::size_t>(head * tokens),
                                                      static_cast<std::size_t>(tokens)));
    std::vector<float> judged;
    for (std::size_t j = 0; j < info.size(); ++j)
      if (info[j].span.begin >= prefix) judged.push_back(lanes[head][j]);
    const float neutral = arguments.kvpress_quirk() ? 0 : median(std::move(judged));
    for (std::size_t j = 0; j < info.size(); ++j) {
      if (info[j].span.end <= prefix) lanes[head][j] = neutral;
      if (info[j].span.begin < arguments.integer("sinks")) lanes[head][j] = kForced;
    }
  }
}

std::vector<Parameter> replay_parameters() {
  return {integer("sinks", "4", 0, 1024, "first tokens that are kept"),
          quirk("kvpress never scores the chat prefix: it counts as 0 and, but for the sinks, goes "
                "first. Without it, tokens that were not judged count as the lane's median")};
}

std::vector<Parameter> replayed_parameters() {
  std::vector<Parameter> all = replay_parameters();
  all.push_back(integer("chunk", "2048", 16, 1 << 20,
                        "tokens that are repeated at once, seen beside the first ones and what was "
                        "repeated so far: shorter chunks cost less. Under schedules what is new is "
                        "repeated at once"));
  return all;
}

PartInfo kvzip_part() {
  return {.name = "kvzip",
          .kind = PartKind::scorer,
          .summary = "how much a replay of the context looks at each entry",
          .source = "KVzip, arXiv 2505.23416",
          .cost = Cost::replay,
          .parameters = replayed_parameters(),
          .needs =
              [](const Arguments& a) {
                return SignalNeeds{.replay_chunk = a.integer("chunk"), .replay = true};
              },
          .score = score,
          .default_allocator = "global"};
}

}  // namespace pith::recipe
