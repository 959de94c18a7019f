// Counted blocks of memory (tiles), carved from slabs of up to 2 MiB that go back to the system
// when their last tile does. Slabs are anonymous memory, or lie in a file (slab_file.h). It does
// not know what a tile holds. Safe to use from several threads:
// caches that are forks of each other share one pool.
#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/types.h"
#include "cache/slab_file.h"

namespace pith::cache {

class TilePool;

// A counted reference to a tile, one pointer wide. Copies share the tile.
class Tile {
 public:
  Tile() = default;
  Tile(const Tile& other) : data_(other.data_) {
    if (data_) count().fetch_add(1, std::memory_order_relaxed);
  }
  Tile(Tile&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  Tile& operator=(Tile other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~Tile() {
    if (data_ && count().fetch_sub(1, std::memory_order_acq_rel) == 1) free();
  }

  std::byte* data() const { return data_; }
  bool shared() const { return count().load(std::memory_order_acquire) > 1; }

 private:
  friend class TilePool;
  explicit Tile(std::byte* data) : data_(data) {}
  std::atomic<std::uint32_t>& count() const;
  void free() const;
  std::byte* data_ = nullptr;
};

class TilePool {
 public:
  TilePool() = default;
  explicit TilePool(const std::filesystem::path& folder) : file_(std::in_place, folder) {}
  ~TilePool();  // every tile must be gone
  TilePool(const TilePool&) = delete;
  TilePool& operator=(const TilePool&) = delete;

  // A tile of `bytes` (a multiple of 64), 64-byte aligned, of unspecified content. Throws
  // std::bad_alloc, or io where its file has no room.
  Tile allocate(Index bytes);

  // Bytes of the tiles that are in use, the most at any time.
  Index peak_bytes() const { return peak_.load(std::memory_order_relaxed); }

  // What the pool holds from the system.
  Index resident_bytes() const { return resident_.load(std::memory_order_relaxed); }

  // While a Fresh lives, tiles come from slabs that were opened after it, so that the slabs before
  // it can become empty.
  class Fresh {
   public:
    explicit Fresh(TilePool& pool);
    ~Fresh();
    Fresh(const Fresh&) = delete;
    Fresh& operator=(const Fresh&) = delete;

   private:
    TilePool& pool_;
  };

 private:
  friend class Tile;
  struct Slab;
  static Slab* slab_of(std::byte* data);
  Slab* open_slab(Index bytes);
  void free(std::byte* data);

  std::mutex mutex_;
  std::optional<SlabFile> file_;
  std::vector<Slab*> slabs_;  // all of them, in no order
  std::vector<Slab*>
      open_;       // those that allocate() may use: a free tile, and not from before a living Fresh
  int fresh_ = 0;  // living Fresh objects
  std::atomic<Index> resident_{0}, peak_{0};
  Index used_ = 0;  // bytes of tiles in use
};

}  // namespace pith::cache
