#include "cache/tile_pool.h"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <thread>

#include "base/error.h"

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

// No name in the folder, disk space from the first tile on, none after the last.
TEST(TilePool, InAFileTilesAreLikeInMemory) {
  const auto folder = std::filesystem::temp_directory_path() / "pith_tile_pool_file";
  std::filesystem::remove_all(folder);
  TilePool pool(folder);
  std::vector<Tile> tiles;
  for (int i = 0; i < 1000; ++i) {
    tiles.push_back(pool.allocate(4160));
    std::memset(tiles.back().data(), i & 0xff, 4160);
  }
  EXPECT_GE(pool.resident_bytes(), 1000 * 4160);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(static_cast<int>(tiles[static_cast<std::size_t>(i)].data()[4159]), i & 0xff);
  tiles.clear();
  EXPECT_EQ(pool.resident_bytes(), 0);
  const Tile again = pool.allocate(64);
  EXPECT_NE(again.data(), nullptr);
  std::filesystem::remove_all(folder);
}

// A limit on the size of files stands for a full disk.
TEST(TilePool, AFullDiskIsAnErrorAndTilesStay) {
  const auto folder = std::filesystem::temp_directory_path() / "pith_tile_pool_full";
  TilePool pool(folder);
  std::vector<Tile> tiles = {};
  tiles.push_back(pool.allocate(4160));
  std::memset(tiles.back().data(), 7, 4160);
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1 << 20, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto fill = [&] {
    for (int i = 0; i < 1000; ++i) tiles.push_back(pool.allocate(4160));
  };
  EXPECT_THROW(fill(), Error);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(static_cast<int>(tiles.front().data()[4159]), 7);
  fill();
  std::filesystem::remove_all(folder);
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
