// What a part sees of a stage: the cache as it is now, what the model revealed, and the room that
// the budget leaves; with the scores and the selection that parts hand on. It decides nothing.
#pragma once

#include <limits>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "cache/cache.h"
#include "recipe/budget.h"
#include "recipe/signals.h"

namespace pith::recipe {

// Scores beyond those that are computed. Larger is better; ties go to the later entry.
inline constexpr float kNever = -std::numeric_limits<float>::infinity();  // not to be kept
inline constexpr float kForced = std::numeric_limits<float>::max();  // a scorer's own protection:
                                                                     // first, as far as room goes
inline constexpr float kPinned = std::numeric_limits<float>::infinity();  // asked for: kept or fail

inline bool is_protected(float score) { return score >= kForced; }
// Neither protected nor unwanted: what arithmetic on scores may change.
inline bool is_computed(float score) { return score < kForced && score != kNever; }

struct Scores {
  std::vector<std::vector<float>> lanes;  // [lanes][n]; empty for lanes that are left alone
  std::vector<std::vector<float>> plain;  // the same as the scorer gave them, before adjusters
  std::vector<Index> quota;  // empty, or [lanes]: sizes that a quirk of kvpress dictates
  std::vector<std::vector<bool>> routed;  // [compressible layers][T]: tokens that route keeps
  struct Reserved {
    std::int32_t lane, entry;
  };
  std::vector<Reserved> reserved;  // what route_floor sets apart, the most wanted first
};

// The source token in the middle of what an entry stands for: decides to which chunk it belongs.
inline Index token_of(const cache::EntryInfo& entry) {
  return (Index{entry.span.begin} + entry.span.end - 1) / 2;
}

struct Selection {
  std::vector<std::vector<std::int32_t>> keep;  // [lanes], ascending
  std::vector<Index> sure;  // empty, or [lanes]: how many of its best each lane was sure of
  bool dictated = false;    // sizes follow a quirk of kvpress and may miss the budget by rounding
  Index size() const;
};

class ModelAccess;  // model_access.h

struct LayerRange {
  Index first = 0, last = 0;  // [first, last)
};

class Scene {
 public:
  Scene(const cache::Cache& cache, const Signals& signals, ThreadPool* pool,
        ModelAccess* model = nullptr);

  const cache::Cache& cache() const { return cache_; }
  const cache::Shape& shape() const { return cache_.shape(); }
  const Signals& signals() const { return signals_; }
  const LayerSignals& layer(Index layer) const { return signals_.layers[layer]; }
  ModelAccess* model() const { return model_; }  // null where nobody lends one
  Index group() const { return signals_.query_heads / shape().kv_heads; }  // G

  std::span<const cache::EntryInfo> info(Index lane) const { return info_[lane]; }
  Index size(Index lane) const { return static_cast<Index>(info_[lane].size()); }
  std::vector<float> keys(Index lane) const;    // [n, D]
  std::vector<float> values(Index lane) const;  // [n, D]

  Index present() const;  // entries of all compressible lanes

  // Entries by ascending position. Lane order is that within each segment only.
  std::vector<std::int32_t> by_position(Index lane) const;  // [n]

  // Layers with a sliding window are left alone.
  bool compressible(Index lane) const { return shape().window(lane / shape().kv_heads) == 0; }
  std::span<const Index> layers() const { return layers_; }  // the compressible ones
  std::span<const Index> lanes() const { return lanes_; }    // of those layers, ascending
  void limit(LayerRange range);  // as if the other layers were not compressible

  // A signal per source token as one per entry: its mean over the entry's span.
  std::vector<float> by_entry(Index lane, std::span<const float> by_token) const;  // [T] -> [n]

  // Calls body(i) for every i in [0, items), on the pool if there is one.
  void parallel(Index items, LoopBody body) const;

  // Whether scorers shall take the maximum over queries and query heads instead of the mean.
  bool worst_case() const { return worst_case_; }
  void set_worst_case(bool worst) { worst_case_ = worst; }

  const Room& room() const { return room_; }
  // A lane's equal share of the room; `otherwise` where no budget was given.
  Index share(Index lane, Index otherwise) const {
    return room_.bounded ? room_.lane[static_cast<std::size_t>(lane)] : otherwise;
  }
  void set_room(Room room) { room_ = std::move(room); }

 private:
  const cache::Cache& cache_;
  const Signals& signals_;
  ThreadPool* pool_;
  ModelAccess* model_;
  std::vector<std::vector<cache::EntryInfo>> info_;  // [lanes]
  std::vector<Index> layers_, lanes_;
  Room room_;
  bool worst_case_ = false;
};

}  // namespace pith::recipe
