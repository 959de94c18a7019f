// Segments and lanes: how entries lie in tiles, and the reading and writing of single entries. Not
// part of the cache's interface, and without any check of its input.
#pragma once

#include <memory>
#include <vector>

#include "cache/entry.h"
#include "cache/tile_pool.h"
#include "kernels/attention.h"

namespace pith::cache {

// Where things are in a tile. Keys and values are as kernels/attention.h says (scales and zeros of
// packed ones included); columns follow. What a tile has no column for is kind exact, log-weight 0,
// span [position, position + 1).
struct TileLayout {
  Format format = Format::bf16;
  Columns columns = Columns::plain;
  Index head_dim = 0;  // D
  bool packed = false;
  Index element = 0;  // bytes of a number: 2 or 4; of packed ones 0

  TileLayout(Format tile_format, Columns tile_columns, Index dim)
      : format(tile_format),
        columns(tile_columns),
        head_dim(dim),
        packed(traits(tile_format).packed),
        element(packed ? 0 : traits(tile_format).bits / 8) {}

  PackedTile packing() const { return {traits(format).packing, head_dim}; }
  Index values() const { return packed ? packing().values() : kTileEntries * head_dim * element; }
  Index positions() const { return packed ? packing().bytes() : 2 * values(); }  // f32[16]
  Index log_weights() const { return positions() + 4 * kTileEntries; }           // f32[16]
  Index begins() const { return log_weights() + 4 * kTileEntries; }  // i32[16], of annotated
  Index ends() const { return begins() + 4 * kTileEntries; }         // i32[16]
  Index kinds() const { return ends() + 4 * kTileEntries; }          // u8[16]
  Index bytes() const { return round_up(positions() + column_bytes(columns) * kTileEntries, 64); }

  bool is_weighted() const { return columns != Columns::plain; }
  bool is_annotated() const { return columns == Columns::annotated; }
  bool operator==(const TileLayout& other) const {
    return format == other.format && columns == other.columns && head_dim == other.head_dim;
  }
};

// Single entries of a tile; `slot` < 16. Keys and values have D floats. `centre` is the segment's.
void write_key(const TileLayout& layout, std::byte* tile, Index slot, const float* key,
               const float* centre);
void write_value(const TileLayout& layout, std::byte* tile, Index slot, const float* value);
void write_info(const TileLayout& layout, std::byte* tile, Index slot, const EntryInfo& info);
void read_key(const TileLayout& layout, const std::byte* tile, Index slot, const float* centre,
              float* key);
void read_value(const TileLayout& layout, const std::byte* tile, Index slot, float* value);
EntryInfo read_info(const TileLayout& layout, const std::byte* tile, Index slot);
float read_position(const TileLayout& layout, const std::byte* tile, Index slot);
void copy_entry(const TileLayout& layout, const std::byte* from, Index from_slot, std::byte* to,
                Index to_slot);  // columns excluded

// Entries of one layout by ascending position.
//
// Packed keys are stored as what they differ from a centre, the mean of the keys that were rounded
// together: most models add a large constant to all keys, which costs bits and says nothing
// (softmax does not see it; SageAttention, arXiv 2410.02367, takes it off, too).
struct Segment {
  TileLayout layout;
  Index count = 0;
  std::vector<Tile> tiles;                           // ceil(count / 16)
  std::shared_ptr<const std::vector<float>> centre;  // packed: [D], not rotated

  explicit Segment(const TileLayout& tile_layout) : layout(tile_layout) {}
  const std::byte* tile_of(Index j) const {
    return tiles[static_cast<std::size_t>(j / kTileEntries)].data();
  }
  const float* centre_data() const { return centre ? centre->data() : nullptr; }
  EntryInfo info(Index j) const { return read_info(layout, tile_of(j), j % kTileEntries); }
  float position(Index j) const { return read_position(layout, tile_of(j), j % kTileEntries); }

  // Makes room for one more entry and returns its tile; its slot is count % 16 before the call.
  // Copies a tail tile that is shared.
  std::byte* grow(TilePool& pool);
  void shrink(Index new_count) noexcept;
};

// Packed segments are made of so many entries or fewer, so that a centre fits its keys well: what
// one softmax step sees.
inline constexpr Index kPackedEntries = 256;
inline constexpr Index kMaxPackedDim = 1024;
constexpr Index centre_bytes(Index head_dim) { return head_dim * 4 + 64; }  // with its headers

struct Lane {
  std::vector<Segment> segments;  // none is empty

  Index size() const;
  // The last segment if it has this layout and nothing beyond `position`, else a new one.
  Segment& tail(const TileLayout& layout, float position);
  // Takes the last `entries` of the last segment away, and the segment if none is left of it.
  void drop(Index entries) noexcept;
};

// An entry of a lane, by index in lane order.
struct Place {
  const Segment* segment;
  Index index;
  const std::byte* tile() const { return segment->tile_of(index); }
  Index slot() const { return index % kTileEntries; }
};

// Walks a lane with indices that never decrease.
class LaneCursor {
 public:
  explicit LaneCursor(const Lane& lane) : lane_(lane) {}
  Place at(Index j) {
    while (j - first_ >= lane_.segments[segment_].count) first_ += lane_.segments[segment_++].count;
    return {&lane_.segments[segment_], j - first_};
  }

 private:
  const Lane& lane_;
  std::size_t segment_ = 0;
  Index first_ = 0;
};

}  // namespace pith::cache
