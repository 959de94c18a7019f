#include "eval/survival.h"

#include <algorithm>

namespace pith::eval {

std::vector<Index> SourceTokens::overlapping(std::span<const TextSpan> spans) const {
  std::vector<Index> found;
  for (const TextSpan& span : spans) {
    auto token = std::partition_point(tokens_.begin(), tokens_.end(),
                                      [&](const TokenSpan& t) { return t.end <= span.begin; });
    for (; token != tokens_.end() && token->begin < span.end; ++token)
      found.push_back(first_ + (token - tokens_.begin()));
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

HeldTokens::HeldTokens(const cache::Cache& cache, Index tokens)
    : sets_(probe::held_sets(cache, tokens)) {}

Survival HeldTokens::of(std::span<const Index> tokens) const {
  const auto& [exact_sets, summary_sets] = sets_;
  Survival result;
  const auto n = tokens.size();
  result.tokens = std::ssize(tokens);
  if (n == 0) return result;
  result.kept_by_layer.assign(static_cast<std::size_t>(exact_sets.layers), 0);
  result.kept_by_token.assign(n, 0);
  const bool all_windowed = exact_sets.lanes().empty();
  std::vector<bool> anywhere(n, false), exactly(n, false);
  Index exact = 0, summary = 0, lanes = 0;
  for (Index layer = 0; layer < exact_sets.layers; ++layer) {
    const bool counts = all_windowed || !exact_sets.windowed[static_cast<std::size_t>(layer)];
    Index exact_here = 0;
    std::vector<bool> in_layer(n, false);
    for (Index head = 0; head < exact_sets.kv_heads; ++head) {
      const Index lane = exact_sets.lane(layer, head);
      lanes += counts;
      for (std::size_t i = 0; i < n; ++i) {
        const bool kept = exact_sets.keeps(lane, tokens[i]),
                   summarised = !kept && summary_sets.keeps(lane, tokens[i]);
        if (kept) in_layer[i] = true;
        exact_here += kept;
        if (!counts) continue;
        if (kept || summarised) anywhere[i] = true;
        if (kept) exactly[i] = true;
        summary += summarised;
        result.kept_by_token[i] += kept;
      }
    }
    if (counts) exact += exact_here;
    result.layers += std::count(in_layer.begin(), in_layer.end(), true) == result.tokens;
    result.kept_by_layer[static_cast<std::size_t>(layer)] =
        static_cast<double>(exact_here) / static_cast<double>(exact_sets.kv_heads * result.tokens);
  }
  const auto pairs = static_cast<double>(lanes * result.tokens);
  result.kept = static_cast<double>(exact) / pairs;
  result.summarised = static_cast<double>(summary) / pairs;
  result.evicted = static_cast<double>(std::count(anywhere.begin(), anywhere.end(), false)) /
                   static_cast<double>(n);
  for (std::size_t i = 0; i < n; ++i) result.in_summaries += anywhere[i] && !exactly[i];
  for (double& share : result.kept_by_token) share /= static_cast<double>(lanes);
  return result;
}

std::vector<TextSpan> answer_spans(const Item& item) {
  std::vector<TextSpan> spans;
  for (const auto& reference : item.references)
    spans.insert(spans.end(), reference.spans.begin(), reference.spans.end());
  return spans;
}

}  // namespace pith::eval
