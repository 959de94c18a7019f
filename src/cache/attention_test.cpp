#include "cache/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>

#include "cache/cache_impl.h"
#include "cache/cache_test_support.h"
#include "kernels/isa.h"

namespace pith::cache {
namespace {

using testing::append_random;
using testing::attend_slowly;
using testing::random_floats;
using testing::random_plan;
using testing::rope;

struct Case {
  Index head_dim, group, tokens, context;
  Index window = 0;
  Format format = Format::bf16;
  bool ragged = false;  // weights, summaries, moved entries, several segments
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << "D" << c.head_dim << " G" << c.group << " T" << c.tokens << " n" << c.context
             << " window" << c.window << " " << to_string(c.format) << (c.ragged ? " ragged" : "");
}

// Two layers of two KV heads; layer 1 is tested, so that lanes of another layer lie between.
Cache make_cache(const Case& c, Rng& rng) {
  Cache cache({.layers = 2, .kv_heads = 2, .head_dim = c.head_dim, .windows = {0, c.window}},
              rope(2, c.head_dim), traits(c.format).packed ? Format::f32 : c.format);
  append_random(cache, c.context, rng);
  if (traits(c.format).packed && !c.ragged) {
    Plan plan = testing::identity(cache);
    for (LanePlan& lane : plan.lanes) lane.format = c.format;
    cache.apply(plan);
  }
  if (c.ragged) {
    auto plan = random_plan(cache, 0.6, 5, rng);
    for (LanePlan& lane : plan.lanes)
      if (traits(c.format).packed)
        testing::random_formats(lane, c.format, rng);
      else
        lane.format = rng.below(2) ? Format::bf16 : Format::f32;
    cache.apply(plan);
    append_random(cache, c.context / 2, rng);
  }
  append_random(cache, c.tokens, rng);
  return cache;
}

struct Attended {
  std::vector<float> queries, out;
  AttentionOptions options;
  AttentionJob job;
};

Attended run(const Cache& cache, Index group, Index tokens, ThreadPool& pool, AttentionTap* tap,
             Rng& rng) {
  const Shape& shape = cache.shape();
  Attended a;
  a.options = {.layer = 1,
               .query_heads = group * shape.kv_heads,
               .scale = 1.3f / std::sqrt(static_cast<float>(shape.head_dim))};
  a.queries = random_floats(tokens * a.options.query_heads * shape.head_dim, rng);
  a.out.assign(a.queries.size(), NAN);
  a.job = {.cache = &cache,
           .queries = a.queries,
           .out = a.out,
           .tokens = tokens,
           .first_position = cache.source_tokens() - tokens,
           .tap = tap};
  attend(a.options, {&a.job, 1}, pool);
  return a;
}

// Collects all weights as [T, Hq, n].
struct Collect : AttentionTap {
  std::vector<float> weights;
  Index max_n, heads;
  std::mutex mutex;
  Collect(Index tokens, Index query_heads, Index n)
      : weights(static_cast<std::size_t>(tokens * query_heads * n), 0.0f),
        max_n(n),
        heads(query_heads) {}
  void observe(const WeightBlock& block) override {
    const std::lock_guard lock(mutex);
    for (Index r = 0; r < block.queries * block.group; ++r) {
      const Index row = (block.first_query + r / block.group) * heads +
                        block.kv_head * block.group + r % block.group;
      std::copy_n(block.weights + r * block.stride, block.entries, weights.data() + row * max_n);
    }
  }
};

// bf16 dot products round the queries to 8 bits of mantissa; logits of these cases are below 8.
// Vector kernels round weights and queries that meet int8 to 16 bits, queries that meet int4 and
// int2 to 8, and those of e4m3 as for bf16.
double tolerance(Format format, bool ragged) {
  if (format == Format::f32 && !ragged) return 2e-5;
  if (traits(format).packed && active_isa() != Isa::scalar) {
    const bool is_int8 = traits(format).packing == Packing::int8;
    if (is_int8 && !ragged) return 1e-3;
    if (active_isa() == Isa::avx2 || !ragged) return 1e-2;
  }
  return active_isa() == Isa::avx512 ? 2e-2 : 2e-4;
}

class Attend : public ::testing::TestWithParam<Case> {};

TEST_P(Attend, EqualsBruteForce) {
  const Case c = GetParam();
  Rng rng(7);
  ThreadPool pool(2);
  const Cache cache = make_cache(c, rng);
  const Attended a = run(cache, c.group, c.tokens, pool, nullptr, rng);
  const auto expected = attend_slowly(a.options, a.job);
  double error = 0;
  for (std::size_t i = 0; i < a.out.size(); ++i)
    error = std::max(error, std::abs(double{a.out[i]} - expected.out[i]));
  EXPECT_LE(error, tolerance(c.format, c.ragged));
}

TEST_P(Attend, ShowsTheWeightsToATap) {
  const Case c = GetParam();
  Rng rng(8);
  ThreadPool pool(2);
  const Cache cache = make_cache(c, rng);
  const Index n = std::max(cache.size(2), cache.size(3));
  Collect tap(c.tokens, 2 * c.group, n);
  const Attended a = run(cache, c.group, c.tokens, pool, &tap, rng);
  const auto expected = attend_slowly(a.options, a.job);
  double error = 0, sums = 0;
  for (std::size_t i = 0; i < a.out.size(); ++i)
    error = std::max(error, std::abs(double{a.out[i]} - expected.out[i]));
  for (std::size_t i = 0; i < tap.weights.size(); ++i) {
    error = std::max(error, std::abs(double{tap.weights[i]} - expected.weights[i]));
    if (expected.weights[i] == 0) {
      EXPECT_EQ(tap.weights[i], 0);
    }
    sums += double{tap.weights[i]};
  }
  EXPECT_LE(error, tolerance(c.format, c.ragged));
  EXPECT_NEAR(sums, static_cast<double>(c.tokens * 2 * c.group), 1e-5 * sums);
}

std::vector<Case> cases() {
  std::vector<Case> list;
  for (Index dim : {32, 64, 80, 96, 128, 256})
    for (Format format : {Format::bf16, Format::f32})
      for (bool ragged : {false, true})
        list.push_back({.head_dim = dim,
                        .group = 3,
                        .tokens = 5,
                        .context = 300,
                        .format = format,
                        .ragged = ragged});
  for (Index dim : {2, 34, 64, 80, 128, 256})
    for (int format = 2; format <= static_cast<int>(kLastFormat); ++format)
      list.push_back({.head_dim = dim,
                      .group = 3,
                      .tokens = 1 + format % 4,
                      .context = 600,
                      .window = format % 3 == 0 ? 150 : 0,
                      .format = static_cast<Format>(format),
                      .ragged = format % 2 == 0});
  for (Index dim : {2, 34})
    list.push_back({.head_dim = dim, .group = 2, .tokens = 3, .context = 40});
  for (Index group = 1; group <= 8; ++group)
    for (Index tokens : {1, 2, 17, 64})
      list.push_back({.head_dim = 64,
                      .group = group,
                      .tokens = tokens,
                      .context = 333,
                      .ragged = group % 2 == 0});
  for (Index window : {1, 16, 100, 1000})
    for (Index tokens : {1, 40})
      list.push_back({.head_dim = 64,
                      .group = 4,
                      .tokens = tokens,
                      .context = 500,
                      .window = window,
                      .ragged = tokens == 40});
  for (Index context : {0, 1, 15, 16, 17, 255, 256, 257, 5000})
    for (Index tokens : {1, 2})
      list.push_back({.head_dim = 64, .group = 7, .tokens = tokens, .context = context});
  list.push_back({.head_dim = 64, .group = 2, .tokens = 300, .context = 700});
  list.push_back({.head_dim = 128, .group = 6, .tokens = 100, .context = 3000, .ragged = true});
  return list;
}
INSTANTIATE_TEST_SUITE_P(Cases, Attend, ::testing::ValuesIn(cases()));

TEST(AttendAll, AnEmptyLaneGivesZeros) {
  Rng rng(1);
  ThreadPool pool(1);
  Cache cache({.layers = 2, .kv_heads = 2, .head_dim = 64}, {});
  for (float x : run(cache, 2, 1, pool, nullptr, rng).out) EXPECT_EQ(x, 0);
}

TEST(AttendAll, AQueryWhoseWindowIsEmptyGivesZeros) {
  Rng rng(1);
  ThreadPool pool(1);
  Cache cache({.layers = 2, .kv_heads = 1, .head_dim = 64, .windows = {0, 4}}, {});
  append_random(cache, 40, rng);
  const auto queries = random_floats(64, rng);
  std::vector<float> out(64, NAN);
  const AttentionJob job{
      .cache = &cache, .queries = queries, .out = out, .tokens = 1, .first_position = 100};
  attend({.layer = 1, .query_heads = 1}, {&job, 1}, pool);
  for (float x : out) EXPECT_EQ(x, 0);
}

TEST(AttendAll, ThreadsDoNotChangeTheBits) {
  for (const Case& c : {Case{.head_dim = 64, .group = 7, .tokens = 1, .context = 9000},
                        Case{.head_dim = 64, .group = 7, .tokens = 200, .context = 900}}) {
    std::vector<std::vector<float>> results;
    for (int threads : {1, 2, 5}) {
      Rng rng(3);
      ThreadPool pool(threads);
      const Cache cache = make_cache(c, rng);
      results.push_back(run(cache, c.group, c.tokens, pool, nullptr, rng).out);
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_EQ(results[0], results[2]);
  }
}

TEST(AttendAll, SeveralCachesGiveWhatEachGivesAlone) {
  Rng rng(4);
  ThreadPool pool(2);
  const Case first{.head_dim = 64, .group = 4, .tokens = 1, .context = 3000},
      second{.head_dim = 64, .group = 4, .tokens = 9, .context = 70};
  const Cache a = make_cache(first, rng), b = make_cache(second, rng);
  Attended alone_a = run(a, 4, 1, pool, nullptr, rng), alone_b = run(b, 4, 9, pool, nullptr, rng);
  std::vector<float> out_a(alone_a.out.size()), out_b(alone_b.out.size());
  std::vector<AttentionJob> jobs{alone_a.job, alone_b.job};
  jobs[0].out = out_a;
  jobs[1].out = out_b;
  attend(alone_a.options, jobs, pool);
  EXPECT_EQ(out_a, alone_a.out);
  EXPECT_EQ(out_b, alone_b.out);
}

// A tile comes from memory that held something else.
TEST(AttendAll, WhatUnusedSlotsHoldForWeightsIsNotSeen) {
  Rng rng(6);
  ThreadPool pool(1);
  for (Format format : {Format::f32, Format::bf16, Format::int8}) {
    const Case c{
        .head_dim = 64, .group = 3, .tokens = 2, .context = 300, .format = format, .ragged = true};
    Cache cache = make_cache(c, rng);
    Index unused = 0;
    for (Lane& lane : cache.impl().lanes)
      for (Segment& segment : lane.segments) {
        if (!segment.layout.is_weighted()) continue;
        std::byte* weights = segment.tiles.back().data() + segment.layout.log_weights();
        for (Index slot = (segment.count - 1) % kTileEntries + 1; slot < kTileEntries; ++slot) {
          constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
          std::memcpy(weights + slot * static_cast<Index>(sizeof kNan), &kNan, sizeof kNan);
          ++unused;
        }
      }
    ASSERT_GT(unused, 0);
    const Attended a = run(cache, c.group, c.tokens, pool, nullptr, rng);
    const auto expected = attend_slowly(a.options, a.job);
    for (std::size_t i = 0; i < a.out.size(); ++i)
      ASSERT_NEAR(a.out[i], expected.out[i], tolerance(format, true)) << to_string(format);
  }
}

// An entry of log-weight log(3) is three entries.
TEST(AttendAll, ALogWeightCountsCopies) {
  Rng rng(5);
  ThreadPool pool(1);
  const Index dim = 64;
  const auto keys = random_floats(4 * dim, rng), values = random_floats(4 * dim, rng),
             queries = random_floats(2 * dim, rng);
  std::vector<std::vector<float>> results;
  for (bool weighted : {true, false}) {
    Cache cache({.layers = 1, .kv_heads = 1, .head_dim = dim}, {}, Format::f32);
    cache.append(0, keys, values, 0, 0);
    Plan plan = testing::identity(cache);
    LanePlan& lane = plan.lanes[0];
    if (weighted) lane.log_weight = {0, std::log(3.0f), 0, 0};
    for (int copy = 0; copy < 2 && !weighted; ++copy) {
      lane.add.info.push_back({.position = 1, .span = {1, 2}, .kind = EntryKind::summary});
      lane.add.keys.insert(lane.add.keys.end(), keys.begin() + dim, keys.begin() + 2 * dim);
      lane.add.values.insert(lane.add.values.end(), values.begin() + dim, values.begin() + 2 * dim);
    }
    cache.apply(plan);
    auto& out = results.emplace_back(queries.size());
    const AttentionJob job{
        .cache = &cache, .queries = queries, .out = out, .tokens = 1, .first_position = 3};
    attend({.layer = 0, .query_heads = 2, .scale = 0.125f}, {&job, 1}, pool);
  }
  for (std::size_t i = 0; i < results[0].size(); ++i)
    EXPECT_NEAR(results[0][i], results[1][i], 1e-6);
}

}  // namespace
}  // namespace pith::cache
