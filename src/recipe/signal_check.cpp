#include "recipe/signal_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "recipe/local_attention.h"
#include "recipe/references.h"

namespace pith::recipe {

void check_signals(const Stage& stage, const cache::Cache& cache, const Signals& signals) {
  check_signals(needs_of(stage), to_string(stage), cache, signals);
}

void check_signals(const SignalNeeds& needs, std::string_view whose, const cache::Cache& cache,
                   const Signals& signals) {
  const cache::Shape& shape = cache.shape();
  const auto refuse = [&](const std::string& what) {
    fail(
        ErrorCode::bad_input,
        fmt::format("signals for \"{}\": {}; collect them with the recipe's needs()", whose, what));
  };
  const Index heads = signals.query_heads, tokens = signals.tokens, depth = shape.head_dim;
  if (tokens < cache.source_tokens())
    refuse(fmt::format("{} tokens, but the cache stands for {}", tokens, cache.source_tokens()));
  if (needs == SignalNeeds{}) return;
  if (std::ssize(signals.layers) != shape.layers)
    refuse(fmt::format("{} layers, the cache has {}", signals.layers.size(), shape.layers));
  if (heads <= 0 || heads % shape.kv_heads != 0)
    refuse(fmt::format("{} query heads, the cache has {} KV heads", heads, shape.kv_heads));
  if (signals.window < std::min(needs.window_queries, tokens))
    refuse(fmt::format("{} window queries, {} are needed", signals.window, needs.window_queries));
  if (needs.question_queries && signals.question_tokens == 0)
    refuse("no queries of a question; ask one, or take a recipe that does not see it");
  if (needs.sentences && signals.sentence_starts.empty()) refuse("no beginnings of sentences");
  if (needs.turns && signals.turn_starts.empty())
    fail(ErrorCode::bad_input,
         fmt::format("\"{}\": there are no turns, since the text is not a conversation; leave out "
                     "the part that counts them (turn_quota)",
                     whose));
  const auto expect_references = [&](const auto* found, std::string_view what) {
    if (found == nullptr || found->count == 0 || std::ssize(found->queries) != shape.layers)
      refuse(fmt::format("no reference queries of {}", what));
    for (const auto& queries : found->queries)
      if (std::ssize(queries) != heads * found->count * depth)
        refuse(fmt::format("{} numbers of queries of {} in a layer, {} are needed", queries.size(),
                           what, heads * found->count * depth));
  };
  for (const Index count : needs.context_queries)
    expect_references(find_references(signals.context_queries, count), "the context");
  for (const Index count : needs.replay_queries)
    expect_references(find_references(signals.replay_queries, count), "the replay");
  for (const SelfStudy& study : needs.studies)
    expect_references(find_references(signals.studies, study), "self-study");
  if (needs.replay_chunk > 0 && signals.replay_chunk != needs.replay_chunk)
    refuse(fmt::format("a replay by chunks of {} tokens, {} are needed", signals.replay_chunk,
                       needs.replay_chunk));
  if (needs.surprisal && std::ssize(signals.surprisal) != tokens)
    refuse(fmt::format("{} surprisals of {} tokens", signals.surprisal.size(), tokens));
  const BudgetCurves& curves = signals.budget_curves;
  if (needs.budget_curves &&
      (curves.kept.empty() || std::ssize(curves.shares) != std::ssize(curves.kept) * shape.lanes()))
    refuse("no budget curves of this model");
  if (needs.diffuseness && std::ssize(signals.diffuseness) != shape.lanes())
    refuse("no diffuseness of this model's lanes");
  if (needs.structure && std::ssize(signals.structure) != tokens)
    refuse(fmt::format("{} marks of structure for {} tokens", signals.structure.size(), tokens));
  for (Index layer = 0; layer < shape.layers; ++layer) {
    if (shape.window(layer) > 0) continue;
    const LayerSignals& own = signals.layers[layer];
    const auto expect = [&](bool needed, const std::vector<float>& found, Index size,
                            const char* what) {
      if (needed && std::ssize(found) != size)
        refuse(fmt::format("layer {} has {} numbers of {}, {} are needed", layer, found.size(),
                           what, size));
    };
    expect(needs.window_queries > 0, own.window_queries, heads * signals.window * depth,
           "window queries");
    expect(needs.query_moments || needs.query_means, own.query_mean, heads * depth, "query means");
    expect(needs.query_moments, own.query_covariance, heads * depth * depth, "query covariances");
    for (const LocalAttention& kind : needs.local_attention) {
      const auto found = local_attention(signals, layer, kind);
      if (std::ssize(found) != heads * tokens)
        refuse(fmt::format("layer {} has no attention inside chunks of {}", layer, kind.chunk));
    }
    expect(needs.attention_sum, own.attention_sum, heads * tokens, "attention sums");
    expect(needs.attention_max, own.attention_max, heads * tokens, "attention maxima");
    expect(needs.tail_attention > 0, own.tail_attention, heads * tokens, "tail attention");
    expect(needs.replay, own.replay, shape.kv_heads * tokens, "replay scores");
    expect(needs.replay_plus, own.replay_plus, shape.kv_heads * tokens, "replay_plus scores");
    expect(needs.replay_gradient, own.replay_gradient, shape.kv_heads * tokens, "gradient scores");
    expect(needs.query_magnitudes, own.query_magnitude, heads * depth / 2, "query magnitudes");
    expect(needs.rotated_moments, own.rotated_moment, shape.kv_heads * depth * depth,
           "second moments of queries");
    expect(needs.question_keys, own.question_keys, shape.kv_heads * signals.question_tokens * depth,
           "question keys");
    expect(needs.echo > 0, own.echo, shape.kv_heads * tokens, "echo scores");
    expect(needs.echo > 0, own.echo_plus, shape.kv_heads * tokens, "echo_plus scores");
    expect(needs.second_pass, own.second_pass, heads * tokens, "second-pass maxima");
    expect(needs.query_filters, own.query_filters, shape.kv_heads * depth, "query filters");
    expect(needs.kvzap, own.kvzap, shape.kv_heads * tokens, "kvzap scores");
    expect(needs.projected_values, own.projected_values, shape.kv_heads * tokens,
           "projected values");
    expect(needs.question_queries, own.question_queries, heads * signals.question_tokens * depth,
           "question queries");
  }
}

}  // namespace pith::recipe
