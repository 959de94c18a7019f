// question_attention: what the question's tokens pay to each entry. It sees the question.

#include "recipe/parts/parts.h"
#include "recipe/window_attention.h"

namespace pith::recipe {
namespace {

void score(const Scene& scene, const Arguments&, Index layer, std::span<std::vector<float>> lanes) {
  for (Index head = 0; head < scene.shape().kv_heads; ++head) {
    const Index lane = scene.shape().lane(layer, head);
    group_score(scene, attention_columns(scene, lane, question_probe(scene, layer)), lanes[head]);
  }
}

}  // namespace

PartInfo question_attention_part() {
  return {.name = "question_attention",
          .kind = PartKind::scorer,
          .summary = "attention that the question's tokens pay to the context (sees the question)",
          .source = "S0's question-aware control arm (Normore)",
          .cost = Cost::window,
          .needs = [](const Arguments&) { return SignalNeeds{.question_queries = true}; },
          .score = score};
}

}  // namespace pith::recipe
