// Cache::part and Cache::extend: caches taken apart at a token, and put together.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "cache/cache_impl.h"

namespace pith::cache {
namespace {

// The segment that an entry of this layout and position continues, or a new one. The newest comes
// first: blocks of a conversation arrive in order.
Segment& continued(Lane& lane, const TileLayout& layout, float position) {
  for (auto segment = lane.segments.rbegin(); segment != lane.segments.rend(); ++segment)
    if (segment->layout == layout && segment->position(segment->count - 1) <= position)
      return *segment;
  return lane.segments.emplace_back(layout);
}

// Packed entries were rounded around their centre: they stay together.
void copy_whole(const Segment& from, TilePool& pool, Lane& lane) {
  Segment& to = lane.segments.emplace_back(from.layout);
  to.centre = from.centre;
  to.count = from.count;
  for (const Tile& tile : from.tiles) {
    to.tiles.push_back(pool.allocate(from.layout.bytes()));
    std::memcpy(to.tiles.back().data(), tile.data(), static_cast<std::size_t>(from.layout.bytes()));
  }
}

}  // namespace

Cache Cache::part(Index first_token) const {
  Cache out = fork();
  Plan plan;
  for (Index i = 0; i < impl_->shape.lanes(); ++i) {
    LanePlan& lane = plan.lanes.emplace_back();
    const auto infos = read_info(i);
    const auto formats = read_formats(i);
    for (std::size_t j = 0; j < infos.size(); ++j) {
      if (infos[j].span.begin < first_token) continue;
      lane.keep.push_back(static_cast<std::int32_t>(j));
      lane.formats.push_back(formats[j]);
    }
  }
  out.apply(plan);
  out.impl_->first_token = std::min(first_token, impl_->source_tokens);
  return out;
}

void Cache::extend(const Cache& other) {
  const Shape& shape = impl_->shape;
  PITH_CHECK(shape.lanes() == other.shape().lanes() && shape.head_dim == other.shape().head_dim,
             fmt::format("{} lanes of D {} behind {} of D {}", other.shape().lanes(),
                         other.shape().head_dim, shape.lanes(), shape.head_dim));
  Cache grown = fork();
  for (Index i = 0; i < shape.lanes(); ++i) {
    Lane& lane = grown.impl_->lane(i);
    for (const Segment& from : other.impl_->lane(i).segments) {
      if (from.layout.packed) {
        copy_whole(from, *impl_->pool, lane);
        continue;
      }
      for (Index j = 0; j < from.count; ++j) {
        const EntryInfo info = from.info(j);
        Segment& to = continued(lane, from.layout, info.position);
        const Index slot = to.count % kTileEntries;
        std::byte* tile = to.grow(*impl_->pool);
        copy_entry(to.layout, from.tile_of(j), j % kTileEntries, tile, slot);
        write_info(to.layout, tile, slot, info);
      }
    }
  }
  grown.impl_->source_tokens = std::max(impl_->source_tokens, other.source_tokens());
  *this = std::move(grown);
}

}  // namespace pith::cache
