#include "cache/tile_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

namespace pith::cache {
namespace {

constexpr Index kSlab = 256 << 10;  // the size of a pool's first slabs

TEST(TilePool, TilesDoNotOverlap) {
  TilePool pool;
  std::vector<Tile> tiles;
  for (int i = 0; i < 2000; ++i) {
    const Index bytes = i % 3 ? 4160 : 1088;
    tiles.push_back(pool.allocate(bytes));
    std::memset(tiles.back().data(), i & 0xff, static_cast<std::size_t>(bytes));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tiles.back().data()) % 64, 0u);
  }
  for (int i = 0; i < 2000; ++i) {
    const auto* data = reinterpret_cast<unsigned char*>(tiles[static_cast<std::size_t>(i)].data());
    EXPECT_EQ(data[0], i & 0xff);
    EXPECT_EQ(data[i % 3 ? 4159 : 1087], i & 0xff);
  }
}

TEST(TilePool, SlabsGoBackWhenTheLastCopyOfATileDoes) {
  TilePool pool;
  Tile tile = pool.allocate(4160);
  EXPECT_FALSE(tile.shared());
  Tile copy = tile;
  EXPECT_TRUE(tile.shared());
  tile = Tile();
  EXPECT_EQ(pool.resident_bytes(), kSlab);
  copy = Tile();
  EXPECT_EQ(pool.resident_bytes(), 0);
}

TEST(TilePool, FreshTilesAvoidOldSlabs) {
  TilePool pool;
  std::vector<Tile> old;
  for (int i = 0; i < 10; ++i) old.push_back(pool.allocate(4160));
  old.pop_back();
  std::vector<Tile> fresh;
  {
    const TilePool::Fresh guard(pool);
    fresh.push_back(pool.allocate(4160));
    EXPECT_EQ(pool.resident_bytes(), 2 * kSlab);
    old.clear();
    EXPECT_EQ(pool.resident_bytes(), kSlab);
  }
  fresh.push_back(pool.allocate(4160));
  EXPECT_EQ(pool.resident_bytes(), kSlab);
}

TEST(TilePool, ThreadsMayShareIt) {
  TilePool pool;
  const Tile common = pool.allocate(1088);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      std::vector<Tile> tiles;
      for (int k = 0; k < 5000; ++k) {
        tiles.push_back(k % 2 ? common : pool.allocate(1088));
        if (k % 3 == 0) tiles.erase(tiles.begin() + static_cast<std::ptrdiff_t>(tiles.size() / 2));
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(common.shared());
  EXPECT_EQ(pool.resident_bytes(), kSlab);
}

}  // namespace
}  // namespace pith::cache
