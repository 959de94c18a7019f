// The tiles of a strip, and what qk of every instruction set asks the memory for, written for
// inclusion inside anonymous namespaces: shared inline functions must not be compiled for one
// instruction set. To be included after attention_tables.h.
//
// A tile is asked for from its first byte to its last, its values included, while a tile a few KiB
// before it is read. The processor's own prefetchers follow reads of a page, and tiles are less
// than that or little more; what is asked for a whole strip earlier often has not come.

inline Index tiles_of(const AttentionStrip& s) {
  return (s.entries + kTileEntries - 1) / kTileEntries;
}

// The tile that comes `distance` tiles after tile i, in this strip or the next. The caller asks for
// it: g++ takes a function that does nothing else for one without effect, and drops it.
inline const char* tile_ahead(const AttentionStrip& s, Index i, Index distance) {
  const Index tiles = tiles_of(s), at = i + distance;
  const std::byte* tile = s.tiles[i];
  if (at < tiles)
    tile = s.tiles[at];
  else if (s.next && at - tiles < tiles)
    tile = s.next[at - tiles];
  return reinterpret_cast<const char*>(tile);
}
