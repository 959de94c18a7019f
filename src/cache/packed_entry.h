// Reading and writing of single entries of packed tiles: what write_key() and the like of
// cache/lane.h do for packed formats. Elsewhere only the lane builder's, whose keys may be rounded
// for the queries that look at them.
#pragma once

#include "cache/key_rounding.h"
#include "cache/lane.h"

namespace pith::cache {

// With a `rounding`, of integers, which must be for keys as the format rotates them; else every
// number goes to its nearest code.
void write_packed_key(const TileLayout& layout, std::byte* tile, Index slot, const float* key,
                      const float* centre, const KeyRounding* rounding = nullptr);
void write_packed_value(const TileLayout& layout, std::byte* tile, Index slot, const float* value);
void read_packed_key(const TileLayout& layout, const std::byte* tile, Index slot,
                     const float* centre, float* key);
void read_packed_value(const TileLayout& layout, const std::byte* tile, Index slot, float* value);
// Value, scales and zeros; the key's words are copied as in every format.
void copy_packed_value(const TileLayout& layout, const std::byte* from, Index from_slot,
                       std::byte* to, Index to_slot);

}  // namespace pith::cache
