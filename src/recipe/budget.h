// Budgets: how small a stage must become, in five units, and what that leaves for the lanes of a
// given cache. It chooses no entries: allocators do.
//
//     0.9     fraction removed (kvpress' compression_ratio): a lane of n entries keeps
//             max(1, int(n * (1 - 0.9))), computed in double as kvpress does
//     10x     bytes: a tenth of what all tokens take as bf16 (Cache::full_bytes)
//     1024tok mean entries per lane, summaries included
//     64MiB   bytes (KiB, MiB, GiB)
//     auto(risk=0.05)  the largest ratio that the guard allows for a document
//     (engine/guard/guard.h), where
//             at most this share of right answers may be lost; it must become a ratio before a plan
//             is made
//
// Lanes of sliding-window layers are not compressed: they keep their last `window` entries, which
// count in budgets of bytes and in no other.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "cache/cache.h"

namespace pith::recipe {

enum class BudgetUnit { fraction, ratio, tokens, bytes, automatic };

struct Budget {
  BudgetUnit unit = BudgetUnit::fraction;
  double value = 0;  // fraction removed, ratio, entries per lane, bytes, or risk
  friend bool operator==(const Budget&, const Budget&) = default;
};

inline constexpr double kDefaultRisk = 0.1;  // of `auto` alone

// Nothing if `text` is no budget, or one out of range (a fraction of 1, a ratio below 1, a risk
// outside [0.001, 0.5]).
std::optional<Budget> parse_budget(std::string_view text);
std::string to_string(const Budget& budget);  // parse_budget gives the same back

// What a budget leaves for entries that are kept, additions of the realiser already taken off.
struct Room {
  bool bounded = false;           // false: no budget was given, the allocator sizes itself
  std::optional<double> removed;  // of a budget in fractions
  Index total = 0;                // entries over all compressible lanes
  std::vector<Index> lane;        // [lanes] the share of each if all are treated alike
  bool whole_tiles = false;       // bytes are counted: what fits into a lane's last tile is free
};

// The entries of a cache as budgets see them; zero for lanes that are left alone.
struct LaneSizes {
  std::vector<Index> now;    // [lanes]
  std::vector<Index> added;  // [lanes] by the realiser, at most
  Index lanes = 0;           // compressible ones
  Index present() const;     // sum of now
  Index additions() const;   // sum of added
};

// The room of a fraction. Throws bad_budget if additions alone take more.
Room room_of_fraction(double removed, const LaneSizes& sizes);
// The room of `total` entries, shared evenly as far as lanes have that many.
Room room_of_entries(Index total, const LaneSizes& sizes);

// How many entries of a lane are of each format and need which columns.
struct LaneContent {
  using Counts = std::array<Index, static_cast<std::size_t>(cache::kLastColumns) + 1>;
  std::array<Counts, static_cast<std::size_t>(cache::kLastFormat) + 1> formats = {};
  bool packed_before = false;  // packed entries keep their codes, and with them their segments

  Index& of(cache::Format format, cache::Columns columns) {
    return formats[static_cast<std::size_t>(format)][static_cast<std::size_t>(columns)];
  }
};

// What a lane allocates for its entries at most: tiles of 16, keys, values, columns and centres,
// with their tables.
Index lane_bytes(const cache::Shape& shape, const LaneContent& content);

// The least that one entry takes.
Index entry_bytes(const cache::Shape& shape, cache::Format format, cache::Columns columns);

// max(1, int(n * (1 - removed))) in double; 0 of nothing.
Index kept_of(Index n, double removed);

}  // namespace pith::recipe
