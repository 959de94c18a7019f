// What a Cache holds. For the files of src/cache only.
#pragma once

#include <memory>
#include <vector>

#include "cache/cache.h"
#include "cache/lane.h"

namespace pith::cache {

struct Cache::Impl {
  Shape shape;
  std::shared_ptr<const Rotation> rotation;
  Format format = Format::bf16;    // of new entries
  std::shared_ptr<TilePool> pool;  // outlives the lanes' tiles
  std::vector<Lane> lanes;         // [L * Hkv]
  Index source_tokens = 0;
  Index first_token = 0;  // of a part()

  Lane& lane(Index i) { return lanes[static_cast<std::size_t>(i)]; }
  const Lane& lane(Index i) const { return lanes[static_cast<std::size_t>(i)]; }
};

}  // namespace pith::cache
