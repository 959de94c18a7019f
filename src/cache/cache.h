// The ragged KV cache: one lane of entries per (layer, KV head), in tiles of 16 from a counted
// pool. It knows no model and no recipe.
//
// A lane is a run of segments; a segment has one format and keeps its entries by ascending
// position. Entry j of a lane counts through the segments in order. Attention over a lane is the
// merge of its segments' states, so formats and kinds mix freely.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "base/types.h"
#include "cache/entry.h"
#include "cache/plan.h"

namespace pith::cache {

class TilePool;  // counted tiles of 16 entries in slabs that go back to the system when empty
                 // (cache/tile_pool.h)

// How keys are rotated: needed to move an entry to another position. Pairs are (i, i + D/2).
struct Rotation {
  std::vector<std::vector<double>>
      inverse_frequencies;  // [L][D/2], radians per position, scaling included
  // Whether keys mean the same under both: frequencies differ by no more than the libraries of two
  // machines do (1e-12, relative).
  bool like(const Rotation& other) const;
};

// Moves a key or query [D] from one position to another: pairs turn by (to - from) times their
// frequency.
void rotate(std::span<const double> frequencies, float from, float to, float* key);  // [D/2], [D]

struct Bytes {
  Index keys_values = 0;  // what tiles hold, scales and centres of packed ones included
  Index columns = 0;      // positions, weights, spans, kinds
  Index tables = 0;       // tile lists and the like
  Index total() const { return keys_values + columns + tables; }
};

// What the tables of a lane take that a plan makes, of so many segments with so many tiles in all.
Index table_bytes(Index segments, Index tiles);

class Cache {
 public:
  // A cache of its own pool (shared by its forks). New entries are stored in `format`: bf16 or f32;
  // only plans make packed entries. With a folder, tiles lie in a mapped file there (slab_file.h),
  // and whatever adds entries may throw io where the disk is full.
  Cache(Shape shape, Rotation rotation, Format format = Format::bf16,
        const std::filesystem::path& folder = {});
  Cache(Cache&&) noexcept;
  Cache& operator=(Cache&&) noexcept;
  ~Cache();

  // A second cache with the same entries. Costs O(tiles) and no entry memory: tiles are counted,
  // and copied when one side appends to a tile that both hold.
  Cache fork() const;

  const Shape& shape() const;
  const Rotation& rotation() const;
  Index size(Index lane) const;  // n, entries of the lane
  Index entries() const;         // over all lanes
  Index source_tokens() const;   // one past the highest source token that was ever appended: spans
                                 // lie in [0, source_tokens)
  Bytes bytes() const;  // allocated for this cache; shared tiles count in full in every fork
  Index full_bytes()
      const;  // keys and values of source_tokens() bf16 entries in every lane (of a part(), its
              // own), nothing else: the denominator of ratios, as everyone counts a full cache
  Index resident_bytes() const;  // what the pool holds from the system, all forks together

  // Adds T exact entries to every lane of a layer, at positions [first_position, first_position +
  // T) and source tokens [first_token, first_token + T). Where memory, or the room of the cache's
  // file, does not suffice (std::bad_alloc, io), nothing has changed.
  void append(Index layer, std::span<const float> keys,  // [T, Hkv, D], rotated
              std::span<const float> values,             // [T, Hkv, D]
              Index first_position, Index first_token);

  // Reads entries as f32. `out` has size(lane) * D floats.
  void read_keys(Index lane, std::span<float> out) const;    // [n, D], rotated at their positions
  void read_values(Index lane, std::span<float> out) const;  // [n, D]
  std::vector<EntryInfo> read_info(Index lane) const;        // [n]
  std::vector<Format> read_formats(Index lane) const;        // [n]

  // Replaces the entries by what the plan names. Validated first: on bad_input, which names lane
  // and entry, nothing has changed. Where memory, or the room of the cache's file, gives out on the
  // way (std::bad_alloc, io), some lanes are as planned and the others as before: drop the cache,
  // or go back to a fork(). Memory of evicted entries goes back to the pool, and to the system
  // where a slab becomes empty.
  void apply(const Plan& plan);

  // What apply() would make of the keys that a lane's plan keeps, as attention will read them:
  // moved, and rounded to their formats. The plan must be one that apply() takes.
  std::vector<float> planned_keys(Index lane, const LanePlan& plan) const;  // [keep, D]

  // A cache of the entries that stand for source tokens >= `first_token` alone, as they are stored.
  // Its full_bytes() count these tokens only.
  Cache part(Index first_token) const;

  // Adds all entries of another cache of this shape, as they are stored there: they join segments
  // that they continue, else they come behind. Nothing has changed where append() would say so.
  void extend(const Cache& other);

  // Drops the newest entries of every lane that stand for source tokens >= `token` (to undo a
  // question). Exact entries only.
  void truncate(Index token);
  // Takes back what append() has added since, of source tokens >= `token`, to all layers or to some
  // of them: after an error, so it needs no memory.
  void take_back(Index token) noexcept;

  struct Impl;
  const Impl& impl() const { return *impl_; }
  Impl& impl() { return *impl_; }

 private:
  explicit Cache(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pith::cache
