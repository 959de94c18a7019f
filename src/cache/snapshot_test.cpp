#include "cache/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "cache/cache_test_support.h"

namespace pith::cache {
namespace {

using testing::append_random;
using ::testing::HasSubstr;

std::filesystem::path temporary(const char* name) {
  return std::filesystem::temp_directory_path() /
         (std::string("pith_snapshot_") + name + std::to_string(::getpid()));
}

// Small, with everything that a cache can hold: windows, all formats and columns, an empty lane.
Cache everything(Rng& rng) {
  Cache cache({.layers = 2, .kv_heads = 2, .head_dim = 8, .windows = {0, 16}}, testing::rope(2, 8));
  append_random(cache, 40, rng);
  Plan plan = testing::random_plan(cache, 0.5, 3, rng);
  plan.lanes[1].format = Format::f32;
  plan.lanes[2] = {};
  auto& formats = plan.lanes[3].formats;
  for (std::size_t j = 0; j < plan.lanes[3].keep.size(); ++j)
    formats.push_back(static_cast<Format>(j % (static_cast<std::size_t>(kLastFormat) + 1)));
  plan.lanes[3].format = Format::int4_kv;
  cache.apply(plan);
  append_random(cache, 3, rng);
  return cache;
}

SnapshotInfo info_of(const Cache& cache) {
  SnapshotInfo info{.version = 1,
                    .model_name = "tiny",
                    .model_hash = 0x1234567890abcdefu,
                    .recipe = "snapkv @ 0.5"};
  for (Index i = 0; i < cache.source_tokens(); ++i)
    info.tokens.push_back(static_cast<Token>(i * 7));
  info.next_position = cache.source_tokens();
  return info;
}

std::string saved(const Cache& cache, const SnapshotInfo& info) {
  const auto path = temporary("saved");
  save(cache, info, path);
  std::string bytes = read_file(path);
  std::filesystem::remove(path);
  return bytes;
}

Snapshot parse_text(const std::string& text) {
  return parse(std::as_bytes(std::span(text.data(), text.size())), "test");
}

TEST(Snapshot, LoadsWhatWasSavedBitForBit) {
  Rng rng(1);
  const Cache cache = everything(rng);
  const SnapshotInfo info = info_of(cache);
  const auto path = temporary("round");
  save(cache, info, path);
  const Snapshot loaded = load(path);
  EXPECT_EQ(loaded.info.model_name, "tiny");
  EXPECT_EQ(loaded.info.model_hash, info.model_hash);
  EXPECT_EQ(loaded.info.recipe, "snapkv @ 0.5");
  EXPECT_EQ(loaded.info.tokens, info.tokens);
  EXPECT_EQ(load_info(path).next_position, 43);
  EXPECT_EQ(loaded.cache.shape().windows, cache.shape().windows);
  EXPECT_EQ(loaded.cache.rotation().inverse_frequencies, cache.rotation().inverse_frequencies);
  EXPECT_EQ(loaded.cache.source_tokens(), 43);
  EXPECT_EQ(loaded.cache.bytes().keys_values, cache.bytes().keys_values);
  for (Index lane = 0; lane < 4; ++lane) {
    ASSERT_EQ(loaded.cache.size(lane), cache.size(lane));
    std::vector<float> a(static_cast<std::size_t>(cache.size(lane) * 8)), b(a);
    cache.read_keys(lane, a);
    loaded.cache.read_keys(lane, b);
    EXPECT_EQ(a, b);
    cache.read_values(lane, a);
    loaded.cache.read_values(lane, b);
    EXPECT_EQ(a, b);
    const auto before = cache.read_info(lane), after = loaded.cache.read_info(lane);
    for (std::size_t j = 0; j < before.size(); ++j) {
      EXPECT_EQ(before[j].position, after[j].position);
      EXPECT_EQ(before[j].log_weight, after[j].log_weight);
      EXPECT_EQ(before[j].span, after[j].span);
      EXPECT_EQ(before[j].kind, after[j].kind);
    }
  }
  EXPECT_EQ(saved(loaded.cache, loaded.info), read_file(path));
  std::filesystem::remove(path);
}

TEST(Snapshot, ALoadedCacheGoesOn) {
  Rng rng(2);
  Cache cache = everything(rng);
  Snapshot loaded = parse_text(saved(cache, info_of(cache)));
  Rng first(3), second(3);
  append_random(cache, 5, first);
  append_random(loaded.cache, 5, second);
  EXPECT_EQ(saved(cache, info_of(cache)), saved(loaded.cache, info_of(cache)));
}

// Version 1 had no packed entries, version 2 no columns of weights alone; all else is the same.
TEST(Snapshot, FilesOfOlderVersionsAreRead) {
  Rng rng(8);
  Cache cache({.layers = 1, .kv_heads = 1, .head_dim = 8}, testing::rope(1, 8));
  append_random(cache, 20, rng);
  std::string bytes = saved(cache, info_of(cache));
  EXPECT_EQ(bytes.substr(0, 8), "PITHCTX3");
  for (const int version : {1, 2}) {
    bytes[7] = static_cast<char>('0' + version);
    EXPECT_EQ(parse_text(bytes).info.version, version);
    EXPECT_EQ(parse_text(bytes).cache.size(0), 20);
  }
  Plan plan = testing::identity(cache);
  plan.lanes[0].format = Format::int4;
  cache.apply(plan);
  bytes = saved(cache, info_of(cache));
  bytes[7] = '2';
  EXPECT_EQ(parse_text(bytes).info.version, 2);
  bytes[7] = '1';
  EXPECT_THROW(parse_text(bytes), Error);

  plan.lanes[0].log_weight.assign(20, 0.5f);
  cache.apply(plan);
  bytes = saved(cache, info_of(cache));
  EXPECT_EQ(parse_text(bytes).info.version, 3);
  bytes[7] = '2';
  EXPECT_THROW(parse_text(bytes), Error);
}

TEST(Snapshot, EveryTruncationIsRefused) {
  Rng rng(4);
  const Cache cache = everything(rng);
  const std::string bytes = saved(cache, info_of(cache));
  for (std::size_t n = 0; n < bytes.size(); n += 97)
    EXPECT_THROW(parse_text(bytes.substr(0, n)), Error) << n;
  EXPECT_THROW(parse_text(bytes.substr(0, bytes.size() - 1)), Error);
  EXPECT_THROW(parse_text(bytes + '\0'), Error);
}

TEST(Snapshot, EveryFlippedBitIsRefused) {
  Rng rng(5);
  const Cache cache = everything(rng);
  std::string bytes = saved(cache, info_of(cache));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char flip = static_cast<char>(1 << (i % 8));
    bytes[i] = static_cast<char>(bytes[i] ^ flip);
    EXPECT_THROW(parse_text(bytes), Error) << i;
    bytes[i] = static_cast<char>(bytes[i] ^ flip);
  }
}

TEST(Snapshot, ErrorsNameTheSection) {
  Rng rng(6);
  const Cache cache = everything(rng);
  std::string bytes = saved(cache, info_of(cache));
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  try {
    parse_text(bytes);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_file);
    EXPECT_STREQ(
        error.what(),
        "test: section LAYR of layer 1 is damaged: its checksum differs; make the snapshot again");
  }
}

TEST(Snapshot, RefusesToSaveFewerTokensThanWereRead) {
  Rng rng(7);
  const Cache cache = everything(rng);
  const auto path = temporary("refused");
  EXPECT_THROW(save(cache, {}, path), Error);
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace pith::cache
