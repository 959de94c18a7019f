#include "recipe/references.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "recipe/parts/parts.h"
#include "recipe/row_kernels.h"

namespace pith::recipe {
namespace {

SelfStudy study_of(const Arguments& arguments) {
  return {arguments.integer("references"), arguments.integer("seed")};
}

const ReferenceQueries* find_references(const Signals& signals, std::string_view queries,
                                        Index count) {
  return find_references(queries == "repeat" ? signals.replay_queries : signals.context_queries,
                         count);
}

References of_layer(const ReferenceQueries* found, Index layer) {
  PITH_CHECK(found != nullptr, "signals were checked");
  return {found->queries[static_cast<std::size_t>(layer)], found->count, found->surprisal};
}

}  // namespace

Parameter reference_choice() {
  return choice("queries", {"repeat", "context", "self_study"},
                "repeat: the queries of a replay; context: its own queries, moved behind it; "
                "self_study: half of a replay's, half of four texts of 64 tokens that the model "
                "writes about the context");
}

Parameter reference_seed() { return integer("seed", "42", 0, 0x1p52, "of queries=self_study"); }

Parameter reference_count() {
  return integer("references", "256", 1, 65536, "reference queries of each query head");
}

SignalNeeds reference_needs(std::string_view queries, Index count) {
  if (queries == "repeat") return {.replay_queries = {count}};
  return {.context_queries = {count}};
}

SignalNeeds reference_needs(const Arguments& arguments) {
  const std::string_view queries = arguments.choice("queries");
  if (queries != "self_study") return reference_needs(queries, arguments.integer("references"));
  return {.studies = {study_of(arguments)}};
}

References references_of(const Scene& scene, Index layer, std::string_view queries, Index count) {
  return of_layer(find_references(scene.signals(), queries, count), layer);
}

References references_of(const Scene& scene, Index layer, const Arguments& arguments) {
  const std::string_view queries = arguments.choice("queries");
  if (queries != "self_study")
    return references_of(scene, layer, queries, arguments.integer("references"));
  return of_layer(find_references(scene.signals().studies, study_of(arguments)), layer);
}

const ReferenceQueries* find_references(std::span<const ReferenceQueries> collected, Index wanted) {
  const auto at = std::find_if(collected.begin(), collected.end(),
                               [&](const auto& kind) { return kind.wanted == wanted; });
  return at == collected.end() ? nullptr : &*at;
}

const ReferenceQueries* find_references(std::span<const StudySignals> collected,
                                        const SelfStudy& kind) {
  const auto at = std::find_if(collected.begin(), collected.end(),
                               [&](const StudySignals& study) { return study.kind == kind; });
  return at == collected.end() ? nullptr : &at->references;
}

std::vector<float> reference_rows(const Scene& scene, Index lane, const References& references) {
  const Index size = scene.group() * references.count * scene.shape().head_dim;
  const Index head = lane % scene.shape().kv_heads;
  std::vector<float> rows(static_cast<std::size_t>(size));
  for (Index i = 0; i < size; ++i)
    rows[i] = references.queries[head * size + i] * scene.signals().attention_scale;
  return rows;
}

void for_reference_weights(const Scene& scene, Index lane, const References& references,
                           const std::function<void(std::span<const float>)>& body) {
  constexpr Index kRows = 128;
  const Index depth = scene.shape().head_dim, n = scene.size(lane);
  const std::vector<float> queries = reference_rows(scene, lane, references);
  const Index all = std::ssize(queries) / depth;
  const Panels keys(scene.keys(lane), n, depth);
  const Index stride = keys.count * kPanel;
  const auto info = scene.info(lane);
  std::vector<float> logits(static_cast<std::size_t>(std::min(kRows, all) * stride)), weights,
      ignored(static_cast<std::size_t>(n));
  for (Index first = 0; first < all; first += kRows) {
    const Index rows = std::min(kRows, all - first);
    row_kernels().multiply(queries.data() + first * depth, rows, keys.data.data(), keys.count,
                           depth, logits.data(), stride);
    weights.resize(static_cast<std::size_t>(rows * n));
    for (Index r = 0; r < rows; ++r) {
      float* line = weights.data() + r * n;
      for (Index j = 0; j < n; ++j) line[j] = logits[r * stride + j] + info[j].log_weight;
      row_kernels().softmax_add(line, n, ignored.data());
    }
    body(weights);
  }
}

std::vector<float> reference_weights(const Scene& scene, Index lane, const References& references) {
  std::vector<float> weights;
  weights.reserve(static_cast<std::size_t>(scene.group() * references.count * scene.size(lane)));
  for_reference_weights(scene, lane, references, [&](std::span<const float> rows) {
    weights.insert(weights.end(), rows.begin(), rows.end());
  });
  return weights;
}

std::vector<float> surprisal_weights(std::span<const float> surprisal, Index group) {
  constexpr float kLeast = 0.05f, kMost = 8;
  std::vector<float> weights;
  double sum = 0;
  for (const float nats : surprisal) {
    weights.push_back(std::clamp(nats, kLeast, kMost));
    sum += double{weights.back()};
  }
  const auto mean = static_cast<float>(sum / static_cast<double>(surprisal.size()));
  for (float& weight : weights) weight /= mean;
  std::vector<float> rows;
  for (Index g = 0; g < group; ++g) rows.insert(rows.end(), weights.begin(), weights.end());
  return rows;
}

}  // namespace pith::recipe
