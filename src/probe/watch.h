// Watching attention while a context reads: what heads look at, and the edges that this gives the
// token-attention graph. It changes nothing that is computed.
#pragma once

#include <span>
#include <vector>

#include "engine/context.h"
#include "engine/signals/observer.h"
#include "probe/consensus.h"
#include "probe/kept.h"
#include "probe/reach.h"

namespace pith::probe {

// What the heads did over some rows of a text.
struct Watched {
  std::vector<Consensus> consensus, without_sinks;  // [L], means over the rows
  double summary_mass = 0;  // attention on summaries and virtual entries: mean over rows and the
                            // heads of layers without a sliding window
  double target_mass = 0;   // the same on the tokens asked for
  std::vector<std::vector<float>> queries;       // [L][Hq, D] rotated, of the first row
  void add(const Watched& other, double share);  // moves towards `other` by a share
};

struct WatchOptions {
  Index first = 0;                  // source token of the first row that counts for Watched
  std::span<const Index> targets;   // source tokens
  AttentionGraph* graph = nullptr;  // gets the edges of all rows; heads of it are lanes
  double epsilon = 0;               // an edge is a weight above it
};

// Watches one read of `tokens` tokens into `context`, whatever its cache holds.
class Watcher final : public ReadObserver, private cache::AttentionTap {
 public:
  Watcher(const Context& context, Index tokens, const WatchOptions& options);

  void begin_chunk(Index first, Index rows) override;
  void rotated(Index layer, std::span<const float> queries) override;
  cache::AttentionTap* tap(Index layer) override;
  Watched finish() const;

 private:
  void observe(const cache::WeightBlock& block) override;
  struct Row {  // of one head
    Index top = -1, top_without_sinks = -1;
    float summary = 0, target = 0;
  };
  Row& row(Index layer, Index head, Index r) {
    return rows_[static_cast<std::size_t>((layer * heads_ + head) * count_ + r)];
  }

  const Context& context_;
  WatchOptions options_;
  Index heads_, count_;                     // Hq, rows that count
  Index chunk_ = 0;                         // source token of the chunk's first row
  std::vector<std::uint8_t> is_target_;     // [source tokens]
  std::vector<std::vector<Index>> tokens_;  // [Hkv][n] of the layer at hand: each entry's token, -1
                                            // if it is not exact
  std::vector<Row> rows_;                   // [L, Hq, rows]
  std::vector<std::vector<float>> queries_;
};

// Adds the edges between the tokens of a context to the pruned graphs of several caches at once,
// while the context is read anew: every head sees only what its lane keeps, renormalised.
struct PrunedGraph {
  const KeptSets* kept = nullptr;
  AttentionGraph* graph = nullptr;
};
class PruningWatcher final : public ReadObserver, private cache::AttentionTap {
 public:
  PruningWatcher(const Context& context, std::span<const PrunedGraph> graphs, double epsilon);
  void begin_chunk(Index first, Index rows) override;
  cache::AttentionTap* tap(Index layer) override;

 private:
  void observe(const cache::WeightBlock& block) override;
  const Context& context_;
  std::span<const PrunedGraph> graphs_;
  double epsilon_;
  Index chunk_ = 0;
  std::vector<Index> first_token_;  // [Hkv] of the layer at hand: windows have lost the oldest
};

}  // namespace pith::probe
