// Packed entries: rounding, plans that name formats, and what becomes of them afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "cache/cache_test_support.h"
#include "cache/quantize.h"
#include "support/error_of.h"

namespace pith::cache {
namespace {

using test::error_of;
using testing::append_random;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::identity;

Cache make(Index dim = 64, Index tokens = 0, Format format = Format::f32) {
  Cache cache({.layers = 1, .kv_heads = 1, .head_dim = dim}, testing::rope(1, dim), format);
  Rng rng(1);
  append_random(cache, tokens, rng);
  return cache;
}

struct Numbers {
  std::vector<float> keys, values;
  bool operator==(const Numbers&) const = default;
};
Numbers numbers(const Cache& cache) {
  Numbers n;
  n.keys.resize(static_cast<std::size_t>(cache.size(0) * cache.shape().head_dim));
  n.values = n.keys;
  cache.read_keys(0, n.keys);
  cache.read_values(0, n.values);
  return n;
}

void store(Cache& cache, Format format) {
  Plan plan = identity(cache);
  plan.lanes[0].format = format;
  cache.apply(plan);
}

// Root of the mean squared difference; the numbers have variance 1.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

TEST(Quantize, TakesTheNearestCode) {
  const std::array<float, 4> x = {-1, 0.01f, 0.98f, 2};
  std::array<std::uint8_t, 4> codes = {};
  const Grid grid = quantize(Packing::int2, x.data(), 4, codes.data());
  EXPECT_EQ(to_float(grid.scale), 1);
  EXPECT_EQ(to_float(grid.zero), -1);
  EXPECT_THAT(codes, ::testing::ElementsAre(0, 1, 2, 3));
}

TEST(Quantize, NumbersThatAreNoneGiveCodes) {
  const std::array<float, 4> x = {NAN, INFINITY, -INFINITY, 1e38f};
  for (Packing packing :
       {Packing::int8, Packing::int4, Packing::int3, Packing::int2, Packing::e4m3}) {
    std::array<std::uint8_t, 4> codes = {};
    quantize(packing, x.data(), 4, codes.data());
    EXPECT_THAT(codes, Each(::testing::Lt(1 << packing_bits(packing))));
  }
}

TEST(Quantize, ConstantsStay) {
  const std::array<float, 3> x = {5, 5, 5};
  std::array<std::uint8_t, 3> codes = {};
  const Grid grid = quantize(Packing::int4, x.data(), 3, codes.data());
  EXPECT_EQ(to_float(grid.scale) * codes[1] + to_float(grid.zero), 5);
}

TEST(Packed, LoseWhatTheirBitsAllow) {
  const auto expect = [](Format format, double least, double most) {
    SCOPED_TRACE(to_string(format));
    Cache cache = make(64, 300);
    const Numbers before = numbers(cache);
    store(cache, format);
    const Numbers after = numbers(cache);
    for (const double error :
         {difference(before.keys, after.keys), difference(before.values, after.values)}) {
      EXPECT_GE(error, least);
      EXPECT_LE(error, most);
    }
  };
  for (Format format : {Format::int8, Format::int8_k, Format::int8_kv})
    expect(format, 0.004, 0.008);
  for (Format format : {Format::int4, Format::int4_k, Format::int4_kv}) expect(format, 0.07, 0.11);
  for (Format format : {Format::int3, Format::int3_k, Format::int3_kv}) expect(format, 0.14, 0.21);
  for (Format format : {Format::int2, Format::int2_k, Format::int2_kv}) expect(format, 0.3, 0.4);
  expect(Format::e4m3, 0.015, 0.03);
}

// A constant in all keys is free: it is the centre.
TEST(Packed, AConstantInAllKeysCostsNothing) {
  Cache plain = make(), shifted = make();
  Rng rng(2);
  auto keys = testing::random_floats(200 * 64, rng);
  plain.append(0, keys, keys, 0, 0);
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] += static_cast<float>(i % 64 * 4);
  shifted.append(0, keys, keys, 0, 0);
  const Numbers a = numbers(plain), b = numbers(shifted);
  store(plain, Format::int4_k);
  store(shifted, Format::int4_k);
  EXPECT_NEAR(difference(b.keys, numbers(shifted).keys), difference(a.keys, numbers(plain).keys),
              1e-3);
}

TEST(Packed, EachKeptEntryMayHaveItsFormat) {
  Cache cache = make(32, 40);
  const Numbers before = numbers(cache);
  Plan plan;
  plan.lanes.push_back({.keep = {0, 5, 6, 7, 39}, .format = Format::int4});
  plan.lanes[0].formats = {Format::f32, Format::int8, Format::int2_k, Format::int8, Format::f32};
  cache.apply(plan);
  EXPECT_THAT(
      cache.read_formats(0),
      ::testing::ElementsAre(Format::int8, Format::int8, Format::int2_k, Format::f32, Format::f32));
  const auto info = cache.read_info(0);
  EXPECT_EQ(info[0].position, 5);
  EXPECT_EQ(info[2].position, 6);
  EXPECT_EQ(info[4].position, 39);
  const Numbers after = numbers(cache);
  EXPECT_TRUE(std::equal(before.keys.end() - 32, before.keys.end(), after.keys.end() - 32));
}

// Before a plan is carried out, its keys can be read as they will be.
TEST(Packed, PlannedKeysAreThoseThatApplyLeaves) {
  Cache cache = make(64, 200);
  Plan plan = identity(cache);
  LanePlan& lane = plan.lanes[0];
  std::erase_if(lane.keep, [](std::int32_t j) { return j % 3 == 1; });
  lane.format = Format::int4_k;
  for (const std::int32_t j : lane.keep) {
    lane.formats.push_back(j < 4 ? Format::bf16 : j < 90 ? Format::int4_k : Format::int2_k);
    lane.log_weight.push_back(j % 2 ? 0.5f : 0.0f);
  }
  const std::vector<float> planned = cache.planned_keys(0, lane);
  cache.apply(plan);
  const std::vector<float> keys = numbers(cache).keys;
  const std::vector<EntryInfo> info = cache.read_info(0);
  for (std::size_t i = 0; i < lane.keep.size(); ++i) {
    const auto now = std::find_if(info.begin(), info.end(), [&](const EntryInfo& entry) {
      return entry.span.begin == lane.keep[i];
    });
    EXPECT_TRUE(std::equal(planned.begin() + static_cast<std::ptrdiff_t>(64 * i),
                           planned.begin() + static_cast<std::ptrdiff_t>(64 * (i + 1)),
                           keys.begin() + 64 * (now - info.begin())));
  }
}

TEST(Packed, WrongFormatsAreRefused) {
  Cache cache = make(32, 3);
  Plan plan = identity(cache);
  plan.lanes[0].formats = {Format::int4};
  EXPECT_EQ(error_of([&] { cache.apply(plan); }),
            "plan, lane 0: formats has 1 elements; expected 3 or none");
  plan.lanes[0].formats = {Format::int4, static_cast<Format>(99), Format::f32};
  EXPECT_EQ(error_of([&] { cache.apply(plan); }), "plan, lane 0: unknown format 99");
  Cache wide = make(2048, 1, Format::bf16);
  plan = identity(wide);
  plan.lanes[0].format = Format::int8;
  EXPECT_THAT(error_of([&] { wide.apply(plan); }), HasSubstr("up to 1024 dimensions"));
}

// Plan after plan, what stays packed is copied, not rounded again.
TEST(Packed, CodesStayThroughPlans) {
  for (Format format :
       {Format::int8_kv, Format::int4_k, Format::int3_k, Format::int2, Format::e4m3}) {
    Cache cache = make(64, 600);
    store(cache, format);
    const Numbers first = numbers(cache);
    store(cache, format);
    EXPECT_EQ(numbers(cache), first);
    Plan plan;
    LanePlan& lane = plan.lanes.emplace_back();
    lane.format = format;
    for (std::int32_t j = 0; j < 600; j += 2) lane.keep.push_back(j);
    cache.apply(plan);
    const Numbers second = numbers(cache);
    for (std::size_t j = 0; j < 300; ++j)
      ASSERT_TRUE(std::equal(second.keys.begin() + static_cast<std::ptrdiff_t>(64 * j),
                             second.keys.begin() + static_cast<std::ptrdiff_t>(64 * j + 64),
                             first.keys.begin() + static_cast<std::ptrdiff_t>(128 * j)));
    lane.keep.resize(20);  // too few for a centre of their own, but alone
    for (std::size_t j = 0; j < 20; ++j) lane.keep[j] = static_cast<std::int32_t>(j);
    cache.apply(plan);
    EXPECT_EQ(numbers(cache).values[100], second.values[100]);
  }
}

TEST(Packed, NewKeysReplaceTheCodesThatWere) {
  for (Format format : {Format::int8, Format::int8_kv, Format::int4_k, Format::e4m3}) {
    Cache cache = make(64, 600);
    store(cache, format);
    Plan plan = identity(cache);
    LanePlan& lane = plan.lanes[0];
    lane.format = format;
    Rng rng(7);
    for (Index i = 0; i < 600 * 64; ++i) lane.keys.push_back(rng.normal());
    const std::vector<float> promised = cache.planned_keys(0, lane);
    cache.apply(plan);
    EXPECT_EQ(numbers(cache).keys, promised);
    EXPECT_LT(difference(promised, lane.keys), 0.2);
  }
}

TEST(Packed, FewOfManyCentresComeTogether) {
  Cache cache = make(64, 2000);
  store(cache, Format::int4_k);
  Plan plan;
  LanePlan& lane = plan.lanes.emplace_back();
  lane.format = Format::int4_k;
  for (std::int32_t j = 0; j < 2000; j += 10) lane.keep.push_back(j);
  const Numbers before = numbers(cache);
  cache.apply(plan);
  EXPECT_EQ(cache.bytes().keys_values,
            13 * (2 * 16 * 32 + 128) + 4 * 64 + 64);  // 200 entries, one centre
  const Numbers after = numbers(cache);
  EXPECT_NEAR(after.keys[64], before.keys[640], 0.5);
}

TEST(Packed, NewTokensForksAndTruncation) {
  Cache cache = make(64, 300, Format::bf16);
  store(cache, Format::int4_kv);
  const Numbers packed = numbers(cache);
  Cache fork = cache.fork();
  Rng rng(3);
  append_random(fork, 5, rng);
  EXPECT_EQ(fork.read_formats(0)[299], Format::int4_kv);
  EXPECT_EQ(fork.read_formats(0)[300], Format::bf16);
  EXPECT_EQ(numbers(cache), packed);
  fork.truncate(300);
  EXPECT_EQ(numbers(fork), packed);
  fork.truncate(10);
  EXPECT_EQ(fork.size(0), 10);
  append_random(fork, 2, rng);
  EXPECT_EQ(fork.read_info(0)[11].position, 11);
}

TEST(Packed, MovingComesBackUpToRounding) {
  Cache cache = make(64, 100);
  const Numbers before = numbers(cache);
  store(cache, Format::int8_k);
  Plan plan = identity(cache);
  plan.lanes[0].format = Format::int8_k;
  for (float j = 0; j < 100; ++j) plan.lanes[0].move_to.push_back(j + 1000);
  cache.apply(plan);
  for (float& position : plan.lanes[0].move_to) position -= 1000;
  cache.apply(plan);
  EXPECT_LE(difference(before.keys, numbers(cache).keys), 0.016);
}

TEST(Packed, MemoryReallyFalls) {
  Cache cache = make(64, 60000, Format::bf16);
  const auto before = static_cast<double>(cache.resident_bytes());
  store(cache, Format::int4_k);
  const double slab = 2 << 20;  // one may be nearly empty
  EXPECT_LE(static_cast<double>(cache.resident_bytes()), 0.3 * before + slab);
  EXPECT_LE(static_cast<double>(cache.bytes().total()),
            static_cast<double>(cache.full_bytes()) / 3.2);
}

}  // namespace
}  // namespace pith::cache
