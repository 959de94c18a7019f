// Entries, lanes and their shape: the nouns of the cache (DESIGN: one attended unit; all units of
// one layer and KV head). Storage and attention are elsewhere.
#pragma once

#include <compare>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "kernels/packed_tile.h"

namespace pith::cache {

// What an entry is. `exact` holds the key and value of one token; the others stand for several.
enum class EntryKind : std::uint8_t { exact, summary, virtual_entry };
std::string_view to_string(EntryKind kind);

// How the keys and values of a segment are stored. The numbers are those of saved files. `_k`:
// keys rotated by a Hadamard matrix before they are rounded; `_kv`: values too.
enum class Format : std::uint8_t {
  bf16,
  f32,
  int8,
  int8_k,
  int8_kv,
  int4,
  int4_k,
  int4_kv,
  int2,
  int2_k,
  int2_kv,
  e4m3,
  int3,
  int3_k,
  int3_kv,
};
inline constexpr Format kLastFormat = Format::int3_kv;
std::string_view to_string(Format format);

struct FormatTraits {
  std::string_view name;
  Index bits;       // of a number
  bool packed;      // tiles as in kernels/packed_tile.h
  Packing packing;  // if so
  bool rotates_keys, rotates_values;
};
const FormatTraits& traits(Format format);

// The source tokens [begin, end) of the context that an entry stands for.
struct Span {
  std::int32_t begin = 0, end = 0;
  friend auto operator<=>(const Span&, const Span&) = default;
};

// The columns of one entry, as a value.
struct EntryInfo {
  float position = 0;    // at which the key is rotated; need not be an integer
  float log_weight = 0;  // added to the entry's logit; 0 counts once, log(n) counts n times
  Span span = {};
  EntryKind kind = EntryKind::exact;
};

// Which columns lie behind the keys and values of a tile: as few as its entries need. The numbers
// are those of saved files. `plain`: positions, of exact entries that count once where they were
// read; `weighted`: log-weights besides; `annotated`: all, for entries of any kind.
enum class Columns : std::uint8_t { plain, annotated, weighted };
inline constexpr Columns kLastColumns = Columns::weighted;
Columns columns_of(const EntryInfo& info);  // the least that can hold it
Index column_bytes(Columns columns);        // of an entry

// Positions are f32: beyond this token they are no longer exact, and an entry could not tell its
// span from its position.
inline constexpr Index kLastPlainToken = (Index{1} << 24) - 1;

struct Shape {
  Index layers = 0;    // L
  Index kv_heads = 0;  // Hkv
  Index head_dim = 0;  // D
  std::vector<Index> windows =
      {};  // [L], 0 = the layer attends to everything, else only to the last `window` positions

  Index lanes() const { return layers * kv_heads; }
  Index lane(Index layer, Index kv_head) const { return layer * kv_heads + kv_head; }
  Index window(Index layer) const {
    return windows.empty() ? 0 : windows[static_cast<std::size_t>(layer)];
  }
};

}  // namespace pith::cache
