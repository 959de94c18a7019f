// Reading and writing of single entries of packed tiles: what write_key() and the like of
// cache/lane.h do for packed formats. Not for use elsewhere.
#pragma once

#include "cache/lane.h"

namespace pith::cache {

void write_packed_key(const TileLayout& layout, std::byte* tile, Index slot, const float* key,
                      const float* centre);
void write_packed_value(const TileLayout& layout, std::byte* tile, Index slot, const float* value);
void read_packed_key(const TileLayout& layout, const std::byte* tile, Index slot,
                     const float* centre, float* key);
void read_packed_value(const TileLayout& layout, const std::byte* tile, Index slot, float* value);
// Value, scales and zeros; the key's words are copied as in every format.
void copy_packed_value(const TileLayout& layout, const std::byte* from, Index from_slot,
                       std::byte* to, Index to_slot);

}  // namespace pith::cache
