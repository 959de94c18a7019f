#include "probe/watch.h"

#include <algorithm>

namespace pith::probe {

void Watched::add(const Watched& other, double share) {
  consensus.resize(other.consensus.size());
  without_sinks.resize(other.without_sinks.size());
  const auto move = [&](double& mine, double theirs) { mine += share * (theirs - mine); };
  for (std::size_t l = 0; l < consensus.size(); ++l) {
    move(consensus[l].head_diversity, other.consensus[l].head_diversity);
    move(consensus[l].agreement, other.consensus[l].agreement);
    move(without_sinks[l].head_diversity, other.without_sinks[l].head_diversity);
    move(without_sinks[l].agreement, other.without_sinks[l].agreement);
  }
  move(summary_mass, other.summary_mass);
  move(target_mass, other.target_mass);
}

Watcher::Watcher(const Context& context, Index tokens, const WatchOptions& options)
    : context_(context),
      options_(options),
      heads_(context.engine().config().query_heads),
      count_(context.next_position() + tokens - options.first),
      is_target_(static_cast<std::size_t>(context.next_position() + tokens)),
      tokens_(static_cast<std::size_t>(context.cache().shape().kv_heads)),
      rows_(static_cast<std::size_t>(context.cache().shape().layers * heads_ * count_)),
      queries_(static_cast<std::size_t>(context.cache().shape().layers)) {
  for (Index t : options.targets) is_target_[static_cast<std::size_t>(t)] = 1;
}

void Watcher::begin_chunk(Index first, Index /*rows*/) { chunk_ = first; }

void Watcher::rotated(Index layer, std::span<const float> queries) {
  const Index size = heads_ * context_.engine().config().head_dim, row = options_.first - chunk_;
  if (row < 0 || row * size >= std::ssize(queries)) return;
  const float* from = queries.data() + row * size;
  queries_[static_cast<std::size_t>(layer)].assign(from, from + size);
}

cache::AttentionTap* Watcher::tap(Index layer) {
  const cache::Shape& shape = context_.cache().shape();
  for (Index head = 0; head < shape.kv_heads; ++head) {
    auto& tokens = tokens_[static_cast<std::size_t>(head)];
    tokens.clear();
    for (const auto& entry : context_.cache().read_info(shape.lane(layer, head)))
      tokens.push_back(entry.kind == cache::EntryKind::exact ? entry.span.begin : -1);
  }
  return this;
}

void Watcher::observe(const cache::WeightBlock& block) {
  const auto& tokens = tokens_[static_cast<std::size_t>(block.kv_head)];
  for (Index r = 0; r < block.queries * block.group; ++r) {
    const std::span<const float> weights(block.weights + r * block.stride,
                                         static_cast<std::size_t>(block.entries));
    const Index from = chunk_ + block.first_query + r / block.group;
    if (options_.graph)
      for (std::size_t j = 0; j < weights.size(); ++j)
        if (tokens[j] >= 0 && static_cast<double>(weights[j]) > options_.epsilon)
          options_.graph->add(block.layer, block.kv_head, from, tokens[j]);
    if (from < options_.first) continue;
    Row& result =
        row(block.layer, block.kv_head * block.group + r % block.group, from - options_.first);
    result.top = top_token(weights, tokens, 0);
    result.top_without_sinks = top_token(weights, tokens, kSinks);
    for (std::size_t j = 0; j < weights.size(); ++j) {
      if (tokens[j] < 0)
        result.summary += weights[j];
      else if (is_target_[static_cast<std::size_t>(tokens[j])])
        result.target += weights[j];
    }
  }
}

Watched Watcher::finish() const {
  const cache::Shape& shape = context_.cache().shape();
  Watched result;
  result.queries = queries_;
  double counted = 0;
  for (Index layer = 0; layer < shape.layers; ++layer) {
    Consensus all{}, without{};
    for (Index r = 0; r < count_; ++r) {
      std::vector<Index> tops, tops_without;
      for (Index head = 0; head < heads_; ++head) {
        const Row& one = rows_[static_cast<std::size_t>((layer * heads_ + head) * count_ + r)];
        tops.push_back(one.top);
        tops_without.push_back(one.top_without_sinks);
        if (shape.window(layer) > 0) continue;
        ++counted;
        result.summary_mass += static_cast<double>(one.summary);
        result.target_mass += static_cast<double>(one.target);
      }
      const Consensus a = consensus(tops), b = consensus(tops_without);
      const auto n = static_cast<double>(count_);
      all.head_diversity += a.head_diversity / n;
      all.agreement += a.agreement / n;
      without.head_diversity += b.head_diversity / n;
      without.agreement += b.agreement / n;
    }
    result.consensus.push_back(all);
    result.without_sinks.push_back(without);
  }
  if (counted > 0) {
    result.summary_mass /= counted;
    result.target_mass /= counted;
  }
  return result;
}

PruningWatcher::PruningWatcher(const Context& context, std::span<const PrunedGraph> graphs,
                               double epsilon)
    : context_(context),
      graphs_(graphs),
      epsilon_(epsilon),
      first_token_(static_cast<std::size_t>(context.cache().shape().kv_heads)) {}

void PruningWatcher::begin_chunk(Index first, Index /*rows*/) { chunk_ = first; }

cache::AttentionTap* PruningWatcher::tap(Index layer) {
  const cache::Shape& shape = context_.cache().shape();
  for (Index head = 0; head < shape.kv_heads; ++head) {
    const Index lane = shape.lane(layer, head), n = context_.cache().size(lane);
    first_token_[static_cast<std::size_t>(head)] =
        shape.window(layer) > 0 ? context_.cache().source_tokens() - n : 0;
  }
  return this;
}

void PruningWatcher::observe(const cache::WeightBlock& block) {
  const Index first = first_token_[static_cast<std::size_t>(block.kv_head)];
  std::vector<float> pruned(static_cast<std::size_t>(block.entries));
  for (Index r = 0; r < block.queries * block.group; ++r) {
    const float* weights = block.weights + r * block.stride;
    const Index from = chunk_ + block.first_query + r / block.group;
    for (const PrunedGraph& one : graphs_) {
      std::copy_n(weights, block.entries, pruned.begin());
      const bool windowed = one.kept->windowed[static_cast<std::size_t>(block.layer)] != 0;
      if (!windowed)  // recipes take nothing from a sliding window
        prune_row(pruned,
                  std::span(one.kept->held)
                      .subspan(static_cast<std::size_t>(one.kept->lane(block.layer, block.kv_head) *
                                                        one.kept->tokens),
                               pruned.size()));
      for (std::size_t j = 0; j < pruned.size(); ++j)
        if (static_cast<double>(pruned[j]) > epsilon_)
          one.graph->add(block.layer, block.kv_head, from, first + static_cast<Index>(j));
    }
  }
}

}  // namespace pith::probe
