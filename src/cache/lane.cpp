#include "cache/lane.h"

#include <cmath>
#include <cstring>

#include "base/numbers.h"
#include "cache/packed_entry.h"

namespace pith::cache {
namespace {

template <typename T>
T load(const std::byte* at, Index i) {
  T value;
  std::memcpy(&value, at + i * static_cast<Index>(sizeof(T)), sizeof(T));
  return value;
}
template <typename T>
void store(std::byte* at, Index i, T value) {
  std::memcpy(at + i * static_cast<Index>(sizeof(T)), &value, sizeof(T));
}

// The element of key dimension d in a bf16 tile.
constexpr Index pair_index(Index d, Index slot) {
  return (d / 2 * kTileEntries + slot) * 2 + d % 2;
}

}  // namespace

void write_key(const TileLayout& layout, std::byte* tile, Index slot, const float* key,
               const float* centre) {
  const Index dim = layout.head_dim;
  if (layout.packed) return write_packed_key(layout, tile, slot, key, centre);
  if (layout.format == Format::f32) {
    for (Index d = 0; d < dim; ++d) store(tile, d * kTileEntries + slot, key[d]);
    return;
  }
  for (Index d = 0; d < dim; ++d) store(tile, pair_index(d, slot), to_bf16(key[d]));
}

void write_value(const TileLayout& layout, std::byte* tile, Index slot, const float* value) {
  const Index dim = layout.head_dim;
  if (layout.packed) return write_packed_value(layout, tile, slot, value);
  std::byte* values = tile + layout.values() + slot * dim * layout.element;
  if (layout.format == Format::f32) {
    std::memcpy(values, value, static_cast<std::size_t>(dim) * sizeof(float));
    return;
  }
  for (Index d = 0; d < dim; ++d) store(values, d, to_bf16(value[d]));
}

void write_info(const TileLayout& layout, std::byte* tile, Index slot, const EntryInfo& info) {
  store(tile + layout.positions(), slot, info.position);
  if (layout.is_weighted()) store(tile + layout.log_weights(), slot, info.log_weight);
  if (!layout.is_annotated()) return;
  store(tile + layout.begins(), slot, info.span.begin);
  store(tile + layout.ends(), slot, info.span.end);
  store(tile + layout.kinds(), slot, static_cast<std::uint8_t>(info.kind));
}

void read_key(const TileLayout& layout, const std::byte* tile, Index slot, const float* centre,
              float* key) {
  if (layout.packed) return read_packed_key(layout, tile, slot, centre, key);
  if (layout.format == Format::f32) {
    for (Index d = 0; d < layout.head_dim; ++d) key[d] = load<float>(tile, d * kTileEntries + slot);
    return;
  }
  for (Index d = 0; d < layout.head_dim; ++d)
    key[d] = to_float(load<bf16>(tile, pair_index(d, slot)));
}

void read_value(const TileLayout& layout, const std::byte* tile, Index slot, float* value) {
  if (layout.packed) return read_packed_value(layout, tile, slot, value);
  const std::byte* values = tile + layout.values() + slot * layout.head_dim * layout.element;
  if (layout.format == Format::f32) {
    std::memcpy(value, values, static_cast<std::size_t>(layout.head_dim) * sizeof(float));
    return;
  }
  for (Index d = 0; d < layout.head_dim; ++d) value[d] = to_float(load<bf16>(values, d));
}

float read_position(const TileLayout& layout, const std::byte* tile, Index slot) {
  return load<float>(tile + layout.positions(), slot);
}

EntryInfo read_info(const TileLayout& layout, const std::byte* tile, Index slot) {
  EntryInfo info;
  info.position = read_position(layout, tile, slot);
  if (layout.is_weighted()) info.log_weight = load<float>(tile + layout.log_weights(), slot);
  if (!layout.is_annotated()) {
    const auto token = static_cast<std::int32_t>(info.position);
    info.span = {token, token + 1};
    return info;
  }
  info.span = {load<std::int32_t>(tile + layout.begins(), slot),
               load<std::int32_t>(tile + layout.ends(), slot)};
  info.kind = static_cast<EntryKind>(load<std::uint8_t>(tile + layout.kinds(), slot));
  return info;
}

void copy_entry(const TileLayout& layout, const std::byte* from, Index from_slot, std::byte* to,
                Index to_slot) {
  const Index words =
      layout.values() /
      (4 * kTileEntries);  // a key is this many words, 16 words apart, in every format
  for (Index i = 0; i < words; ++i)
    store(to, i * kTileEntries + to_slot, load<std::uint32_t>(from, i * kTileEntries + from_slot));
  if (layout.packed) return copy_packed_value(layout, from, from_slot, to, to_slot);
  const Index row = layout.head_dim * layout.element;
  std::memcpy(to + layout.values() + to_slot * row, from + layout.values() + from_slot * row,
              static_cast<std::size_t>(row));
}

std::byte* Segment::grow(TilePool& pool) {
  if (count % kTileEntries == 0) {
    tiles.push_back(pool.allocate(layout.bytes()));
  } else if (tiles.back().shared()) {
    Tile copy = pool.allocate(layout.bytes());
    std::memcpy(copy.data(), tiles.back().data(), static_cast<std::size_t>(layout.bytes()));
    tiles.back() = std::move(copy);
  }
  ++count;
  return tiles.back().data();
}

void Segment::shrink(Index new_count) noexcept {
  count = new_count;
  tiles.resize(static_cast<std::size_t>(ceil_div(new_count, kTileEntries)));
}

Index Lane::size() const {
  Index n = 0;
  for (const Segment& segment : segments) n += segment.count;
  return n;
}

Segment& Lane::tail(const TileLayout& layout, float position) {
  const bool fits = !segments.empty() && segments.back().layout == layout &&
                    segments.back().position(segments.back().count - 1) <= position;
  if (!fits) segments.emplace_back(layout);
  return segments.back();
}

void Lane::drop(Index entries) noexcept {
  if (segments.empty()) return;
  segments.back().shrink(segments.back().count - entries);
  if (segments.back().count == 0) segments.pop_back();
}

}  // namespace pith::cache
