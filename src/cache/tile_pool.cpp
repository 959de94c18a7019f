#include "cache/tile_pool.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "base/error.h"

namespace pith::cache {
namespace {

// Slabs are aligned, so that a tile's address leads to its slab's header. Large ones get huge
// pages, which attention reads 10 to 20 % faster; a pool that holds little yet takes small ones.
constexpr std::uintptr_t kSlabAlign = std::uintptr_t{2} << 20;
constexpr Index kLargeSlab = Index{2} << 20, kSmallSlab = Index{256} << 10;

std::byte* map_slab(Index bytes) {
  std::byte* slab = map_memory(bytes, Index{kSlabAlign});
  if (bytes == kLargeSlab)
    ::madvise(slab, static_cast<std::size_t>(bytes), MADV_HUGEPAGE);  // only advice: may fail
  return slab;
}

template <typename T>
void erase_unordered(std::vector<T>& list, T item) {
  const auto at = std::find(list.begin(), list.end(), item);
  if (at == list.end()) return;
  *at = list.back();
  list.pop_back();
}

}  // namespace

// The header at the start of a slab. Counts of tiles follow it, then the tiles.
struct TilePool::Slab {
  struct Slot {
    std::atomic<std::uint32_t> count;
    std::uint32_t next_free;  // valid while the tile is free
  };
  static constexpr std::uint32_t kNone = 0xffffffffu;

  TilePool* pool;
  Index bytes;   // of the slab
  Index offset;  // in the pool's file, if it has one
  Index tile_bytes;
  Index first;  // offset of tile 0
  std::uint32_t capacity, used, untouched, free_list;

  Slot* slots() { return reinterpret_cast<Slot*>(this + 1); }
  std::byte* tile(std::uint32_t i) {
    return reinterpret_cast<std::byte*>(this) + first + static_cast<Index>(i) * tile_bytes;
  }
  std::uint32_t index(const std::byte* data) {
    return static_cast<std::uint32_t>((data - reinterpret_cast<std::byte*>(this) - first) /
                                      tile_bytes);
  }
  bool full() const { return used == capacity; }
};

TilePool::Slab* TilePool::slab_of(std::byte* data) {
  return reinterpret_cast<Slab*>(reinterpret_cast<std::uintptr_t>(data) & ~(kSlabAlign - 1));
}

std::atomic<std::uint32_t>& Tile::count() const {
  auto* slab = TilePool::slab_of(data_);
  return slab->slots()[slab->index(data_)].count;
}

void Tile::free() const { TilePool::slab_of(data_)->pool->free(data_); }

TilePool::~TilePool() {
  PITH_CHECK(slabs_.empty(), fmt::format("{} slabs still hold tiles", slabs_.size()));
}

TilePool::Slab* TilePool::open_slab(Index bytes) {
  for (auto slab = open_.rbegin(); slab != open_.rend(); ++slab)
    if ((*slab)->tile_bytes == bytes) return *slab;
  slabs_.reserve(slabs_.size() + 1);
  open_.reserve(slabs_.size() + 1);
  const Index slab_bytes = resident_bytes() < kLargeSlab ? kSmallSlab : kLargeSlab;
  const auto mapped =
      file_ ? file_->map(slab_bytes, Index{kSlabAlign}) : SlabFile::Slab{map_slab(slab_bytes), 0};
  auto* slab = new (mapped.data) Slab{};
  slab->pool = this;
  slab->offset = mapped.offset;
  slab->bytes = slab_bytes;
  slab->tile_bytes = bytes;
  const auto slots = static_cast<std::size_t>(slab_bytes / bytes);  // at most
  slab->first = round_up(static_cast<Index>(sizeof(Slab) + slots * sizeof(Slab::Slot)), 64);
  slab->capacity = static_cast<std::uint32_t>((slab_bytes - slab->first) / bytes);
  slab->free_list = Slab::kNone;
  resident_.fetch_add(slab_bytes, std::memory_order_relaxed);
  slabs_.push_back(slab);
  open_.push_back(slab);
  return slab;
}

Tile TilePool::allocate(Index bytes) {
  PITH_CHECK(bytes > 0 && bytes % 64 == 0 && bytes <= kSmallSlab - 4096,
             fmt::format("a tile of {} bytes", bytes));
  const std::lock_guard lock(mutex_);
  Slab* slab = open_slab(bytes);
  std::uint32_t i = slab->free_list;
  if (i != Slab::kNone)
    slab->free_list = slab->slots()[i].next_free;
  else
    i = slab->untouched++;
  slab->slots()[i].count.store(1, std::memory_order_relaxed);
  if (++slab->used == slab->capacity) erase_unordered(open_, slab);
  used_ += bytes;
  if (used_ > peak_.load(std::memory_order_relaxed)) peak_.store(used_, std::memory_order_relaxed);
  return Tile(slab->tile(i));
}

void TilePool::free(std::byte* data) {
  const std::lock_guard lock(mutex_);
  Slab* slab = slab_of(data);
  const std::uint32_t i = slab->index(data);
  slab->slots()[i].next_free = slab->free_list;
  slab->free_list = i;
  const bool was_full = slab->full();
  used_ -= slab->tile_bytes;
  if (--slab->used == 0) {
    erase_unordered(slabs_, slab);
    erase_unordered(open_, slab);
    resident_.fetch_sub(slab->bytes, std::memory_order_relaxed);
    const SlabFile::Slab mapped{reinterpret_cast<std::byte*>(slab), slab->offset};
    const Index bytes = slab->bytes;
    file_ ? file_->unmap(mapped, bytes)
          : static_cast<void>(::munmap(slab, static_cast<std::size_t>(bytes)));
  } else if (was_full && fresh_ == 0) {
    open_.push_back(slab);  // reserved when the slab was opened
  }
}

TilePool::Fresh::Fresh(TilePool& pool) : pool_(pool) {
  const std::lock_guard lock(pool_.mutex_);
  ++pool_.fresh_;
  pool_.open_.clear();
}

TilePool::Fresh::~Fresh() {
  const std::lock_guard lock(pool_.mutex_);
  if (--pool_.fresh_ > 0) return;
  pool_.open_.clear();
  for (Slab* slab : pool_.slabs_)
    if (!slab->full()) pool_.open_.push_back(slab);
}

}  // namespace pith::cache
