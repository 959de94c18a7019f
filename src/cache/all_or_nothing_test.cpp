// What a cache is after an error: as it was before.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>

#include "base/error.h"
#include "cache/cache_test_support.h"

namespace pith::cache {
namespace {

using testing::append_random;

// A limit on the size of files stands for a full disk.
class FullDisk : public ::testing::Test {
 protected:
  FullDisk() : folder_(std::filesystem::temp_directory_path() / "pith_cache_full_disk") {
    append_random(cache_, 32, rng_);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit one_slab{256 << 10, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &one_slab);
  }
  ~FullDisk() override {
    free_space();
    std::signal(SIGXFSZ, handler_);
    std::filesystem::remove_all(folder_);
  }
  void free_space() const { ::setrlimit(RLIMIT_FSIZE, &before_); }
  std::vector<float> keys(Index lane) const {
    std::vector<float> out(static_cast<std::size_t>(cache_.size(lane) * 64));
    cache_.read_keys(lane, out);
    return out;
  }

  std::filesystem::path folder_;
  Rng rng_{1};
  rlimit before_{};
  void (*handler_)(int) = std::signal(SIGXFSZ, SIG_IGN);
  // 62 tiles fit into the first slab; each head has two.
  Cache cache_{{.layers = 1, .kv_heads = 2, .head_dim = 64}, {}, Format::bf16, folder_};
};

// 57 tiles for the first head, and no room for those of the second.
TEST_F(FullDisk, AppendChangesAllHeadsOrNone) {
  const auto first = keys(0), second = keys(1);
  EXPECT_THROW(append_random(cache_, 900, rng_), Error);
  EXPECT_EQ(keys(0), first);
  EXPECT_EQ(keys(1), second);
  EXPECT_EQ(cache_.source_tokens(), 32);
  free_space();
  append_random(cache_, 900, rng_);
  EXPECT_EQ(cache_.size(0), 932);
  EXPECT_EQ(cache_.size(1), 932);
}

TEST_F(FullDisk, ExtendChangesAllLanesOrNone) {
  const auto first = keys(0), second = keys(1);
  Cache more(cache_.shape(), {});
  append_random(more, 900, rng_);
  EXPECT_THROW(cache_.extend(more), Error);
  EXPECT_EQ(keys(0), first);
  EXPECT_EQ(keys(1), second);
  free_space();
  cache_.extend(more);
  EXPECT_EQ(cache_.size(0), 932);
  EXPECT_EQ(cache_.size(1), 932);
}

TEST(TakeBack, LeavesWhatWasThereHoweverFarLayersGot) {
  Rng rng(1);
  Cache cache({.layers = 2, .kv_heads = 1, .head_dim = 4}, {});
  append_random(cache, 20, rng);
  const std::vector<float> rows(13 * 4, 1.0f);
  cache.append(0, rows, rows, 20, 20);
  cache.append(0, rows, rows, 33, 33);
  cache.append(1, rows, rows, 20, 20);
  cache.take_back(20);
  EXPECT_EQ(cache.size(0), 20);
  EXPECT_EQ(cache.size(1), 20);
  EXPECT_EQ(cache.source_tokens(), 20);
}

}  // namespace
}  // namespace pith::cache
