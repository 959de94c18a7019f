#include "cache/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/error.h"
#include "base/numbers.h"
#include "cache/cache_test_support.h"

namespace pith::cache {
namespace {

using testing::append_random;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::identity;
using testing::random_floats;
using testing::random_plan;
using testing::rope;

Cache make(Index layers, Index heads, Index dim, Format format = Format::bf16) {
  return Cache({.layers = layers, .kv_heads = heads, .head_dim = dim}, rope(layers, dim), format);
}

struct Content {
  std::vector<float> keys, values;
  std::vector<float> positions, weights;
  std::vector<Span> spans;
  bool operator==(const Content&) const = default;
};

Content content(const Cache& cache, Index lane) {
  Content c;
  c.keys.resize(static_cast<std::size_t>(cache.size(lane) * cache.shape().head_dim));
  c.values = c.keys;
  cache.read_keys(lane, c.keys);
  cache.read_values(lane, c.values);
  for (const EntryInfo& info : cache.read_info(lane)) {
    c.positions.push_back(info.position);
    c.weights.push_back(info.log_weight);
    c.spans.push_back(info.span);
  }
  return c;
}

std::vector<Content> content(const Cache& cache) {
  std::vector<Content> all;
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane) all.push_back(content(cache, lane));
  return all;
}

TEST(Cache, ReadsWhatWasAppended) {
  for (Format format : {Format::bf16, Format::f32}) {
    Rng rng(1);
    Cache cache = make(2, 3, 32, format);
    const auto keys = random_floats(20 * 3 * 32, rng), values = random_floats(20 * 3 * 32, rng);
    cache.append(1, keys, values, 5, 5);
    EXPECT_EQ(cache.size(0), 0);
    EXPECT_EQ(cache.size(4), 20);
    const Content c = content(cache, 4);  // layer 1, head 1
    for (std::size_t t = 0; t < 20; ++t)
      for (std::size_t d = 0; d < 32; ++d) {
        const float key = keys[(t * 3 + 1) * 32 + d], value = values[(t * 3 + 1) * 32 + d];
        EXPECT_EQ(c.keys[t * 32 + d], format == Format::f32 ? key : to_float(to_bf16(key)));
        EXPECT_EQ(c.values[t * 32 + d], format == Format::f32 ? value : to_float(to_bf16(value)));
      }
    EXPECT_EQ(c.positions[19], 24);
    EXPECT_EQ(c.spans[19], (Span{24, 25}));
    EXPECT_EQ(cache.source_tokens(), 25);
  }
}

TEST(Cache, PositionsMayDifferFromTokens) {
  Rng rng(1);
  Cache cache = make(1, 1, 32);
  cache.append(0, random_floats(2 * 32, rng), random_floats(2 * 32, rng), 7, 100);
  append_random(cache, 1, rng);
  EXPECT_THAT(content(cache, 0).positions, ElementsAre(7, 8, 102));
  EXPECT_THAT(content(cache, 0).spans, ElementsAre(Span{100, 101}, Span{101, 102}, Span{102, 103}));
}

TEST(Cache, AFullCacheTakesItsFullBytes) {
  Rng rng(1);
  Cache cache = make(3, 2, 64);
  append_random(cache, 100, rng);
  EXPECT_EQ(cache.full_bytes(), 3 * 2 * 100 * 64 * 2 * 2);
  EXPECT_EQ(cache.bytes().keys_values, 3 * 2 * 112 * 64 * 2 * 2);  // 112: whole tiles
  EXPECT_EQ(cache.bytes().columns, 3 * 2 * 112 * 4);
}

TEST(Cache, ForksAreIsolated) {
  Rng rng(2);
  Cache cache = make(2, 2, 32);
  append_random(cache, 37, rng);
  const Index resident = cache.resident_bytes();
  const auto before = content(cache);
  Cache fork = cache.fork(), third = cache.fork();
  EXPECT_EQ(cache.resident_bytes(), resident);
  append_random(fork, 20, rng);
  EXPECT_EQ(content(cache), before);
  const auto of_fork = content(fork);
  append_random(cache, 5, rng);
  EXPECT_EQ(content(fork), of_fork);
  EXPECT_EQ(content(third), before);
  third.apply(random_plan(third, 0.5, 3, rng));
  fork.truncate(30);
  EXPECT_EQ(fork.size(0), 30);
  EXPECT_EQ(cache.size(0), 42);
}

TEST(Cache, AForkOutlivesItsParent) {
  Rng rng(2);
  auto cache = std::make_unique<Cache>(make(1, 1, 32));
  append_random(*cache, 37, rng);
  const auto before = content(*cache);
  const Cache fork = cache->fork();
  cache.reset();
  EXPECT_EQ(content(fork), before);
}

TEST(Apply, TheIdentityChangesNothing) {
  Rng rng(3);
  Cache cache = make(2, 2, 32);
  append_random(cache, 50, rng);
  cache.apply(random_plan(cache, 0.7, 4, rng));
  append_random(cache, 20, rng);
  const auto before = content(cache);
  const Cache fork = cache.fork();
  const Index resident = cache.resident_bytes();
  cache.apply(identity(cache));
  EXPECT_EQ(content(cache), before);
  EXPECT_EQ(cache.resident_bytes(), resident);
}

TEST(Apply, KeepsWhatThePlanNames) {
  Rng rng(3);
  Cache cache = make(1, 2, 32);
  append_random(cache, 40, rng);
  const Content before = content(cache, 1);
  Plan plan;
  plan.lanes.resize(2);
  plan.lanes[1].keep = {3, 17, 39};
  cache.apply(plan);
  EXPECT_EQ(cache.size(0), 0);
  const Content after = content(cache, 1);
  EXPECT_THAT(after.positions, ElementsAre(3, 17, 39));
  EXPECT_EQ(std::vector(after.keys.begin() + 32, after.keys.begin() + 64),
            std::vector(before.keys.begin() + 17 * 32, before.keys.begin() + 18 * 32));
  EXPECT_EQ(cache.bytes().columns, 64);  // kept plain entries stay plain: 4 bytes each
}

TEST(Apply, AddsWeighsAndReplaces) {
  Rng rng(3);
  Cache cache = make(1, 1, 32, Format::f32);
  append_random(cache, 10, rng);
  Plan plan;
  LanePlan& lane = plan.lanes.emplace_back();
  lane.keep = {2, 8};
  lane.log_weight = {0, 1.5f};
  lane.values = random_floats(64, rng);
  lane.add.info = {{.position = 4.5f, .log_weight = 2, .span = {3, 7}, .kind = EntryKind::summary}};
  lane.add.keys = random_floats(32, rng);
  lane.add.values = random_floats(32, rng);
  cache.apply(plan);
  const auto infos = cache.read_info(0);  // by columns and position, plain ones last
  ASSERT_EQ(infos.size(), 3u);
  EXPECT_EQ(infos[0].span, (Span{3, 7}));
  EXPECT_EQ(infos[0].kind, EntryKind::summary);
  EXPECT_EQ(infos[1].log_weight, 1.5f);
  EXPECT_EQ(infos[1].span, (Span{8, 9}));
  EXPECT_EQ(infos[2].position, 2);
  const Content after = content(cache, 0);
  EXPECT_EQ(std::vector(after.keys.begin(), after.keys.begin() + 32), lane.add.keys);
  EXPECT_EQ(std::vector(after.values.begin() + 32, after.values.begin() + 64),
            std::vector(lane.values.begin() + 32, lane.values.end()));
}

// Entries pay for the columns that they need: 16 of 4 bits and D 64 take 64 bytes of codes and 8 of
// scales and zeros each, and 4, 8 or 17 of columns.
TEST(Apply, ColumnsAreAsFewAsEntriesNeed) {
  const auto columns_after = [](auto change) {
    Rng rng(5);
    Cache cache = make(1, 1, 64, Format::f32);
    append_random(cache, 16, rng);
    Plan plan = testing::identity(cache);
    plan.lanes[0].format = Format::int4;
    change(plan.lanes[0]);
    cache.apply(plan);
    return cache.bytes().columns;
  };
  EXPECT_EQ(columns_after([](LanePlan&) {}), 16 * 4);
  EXPECT_EQ(columns_after([](LanePlan& lane) { lane.log_weight.assign(16, 0.5f); }), 16 * 8);
  EXPECT_EQ(columns_after([](LanePlan& lane) {
              for (int i = 0; i < 16; ++i) lane.move_to.push_back(static_cast<float>(i) + 0.5f);
            }),
            round_up(16 * 72 + 16 * 17, 64) - 16 * 72);
}

// A key rotated by its own position and moved is the key rotated by the other position.
TEST(Apply, MovingEqualsRotatingElsewhere) {
  const Index dim = 64;
  const Rotation rotation = rope(1, dim);
  Rng rng(4);
  const auto key = random_floats(dim, rng);
  const auto at = [&](double position) {
    std::vector<float> rotated(key);
    for (std::size_t i = 0; i < 32; ++i) {
      const double angle = position * rotation.inverse_frequencies[0][i];
      rotated[i] = static_cast<float>(double{key[i]} * std::cos(angle) -
                                      double{key[i + 32]} * std::sin(angle));
      rotated[i + 32] = static_cast<float>(double{key[i]} * std::sin(angle) +
                                           double{key[i + 32]} * std::cos(angle));
    }
    return rotated;
  };
  for (Format format : {Format::f32, Format::bf16}) {
    Cache cache({.layers = 1, .kv_heads = 1, .head_dim = dim}, rotation, format);
    cache.append(0, at(100000), random_floats(dim, rng), 100000, 100000);
    Plan plan = identity(cache);
    plan.lanes[0].move_to = {12.25f};
    cache.apply(plan);
    const Content after = content(cache, 0);
    EXPECT_THAT(after.positions, ElementsAre(12.25f));
    EXPECT_THAT(after.spans, ElementsAre(Span{100000, 100001}));
    const auto expected = at(12.25);
    for (std::size_t d = 0; d < 64; ++d)
      EXPECT_NEAR(after.keys[d], expected[d], format == Format::f32 ? 1e-6 : 0.03);
  }
}

TEST(Apply, ConvertsFormats) {
  Rng rng(5);
  Cache cache = make(1, 1, 32, Format::f32);
  append_random(cache, 20, rng);
  const Content before = content(cache, 0);
  Plan plan = identity(cache);
  cache.apply(plan);
  EXPECT_EQ(content(cache, 0), before);  // no format named: as the cache stores
  plan.lanes[0].format = Format::bf16;
  cache.apply(plan);
  EXPECT_EQ(cache.bytes().keys_values, 2 * 16 * 32 * 2 * 2);
  const Content after = content(cache, 0);
  for (std::size_t i = 0; i < after.keys.size(); ++i)
    EXPECT_EQ(after.keys[i], to_float(to_bf16(before.keys[i])));
}

TEST(Apply, GivesMemoryBack) {
  Rng rng(6);
  Cache cache = make(4, 4, 64);
  append_random(cache, 4000, rng);
  const Index before = cache.resident_bytes();
  Plan plan = identity(cache);
  for (LanePlan& lane : plan.lanes) lane.keep.resize(400);
  cache.apply(plan);
  EXPECT_LE(static_cast<double>(cache.resident_bytes()), 0.15 * static_cast<double>(before));
  EXPECT_LE(static_cast<double>(cache.bytes().total()),
            0.11 * static_cast<double>(cache.full_bytes()));
}

TEST(Apply, NewTokensContinueAfterIt) {
  Rng rng(7);
  Cache cache = make(2, 2, 32);
  append_random(cache, 50, rng);
  cache.apply(random_plan(cache, 0.5, 3, rng));
  const Index kept = cache.size(1);
  append_random(cache, 18, rng);
  EXPECT_EQ(cache.size(1), kept + 18);
  EXPECT_EQ(cache.read_info(1).back().span, (Span{67, 68}));
}

struct BadPlan {
  const char* message;
  std::function<void(Plan&)> spoil;
};

TEST(Apply, RefusesBadPlansAndChangesNothing) {
  const std::vector<BadPlan> bad = {
      {"the plan has 3 lanes; the cache has 4 (2 layers of 2 KV heads)",
       [](Plan& p) { p.lanes.pop_back(); }},
      {"plan, lane 2: keep 1 names entry 0 after entry 0; expected strictly ascending indices",
       [](Plan& p) { p.lanes[2].keep[1] = 0; }},
      {"plan, lane 1: keep 29 names entry 30; the lane has 30 entries",
       [](Plan& p) { p.lanes[1].keep[29] = 30; }},
      {"plan, lane 0: keep 0 names entry -1; the lane has 30 entries",
       [](Plan& p) { p.lanes[0].keep[0] = -1; }},
      {"plan, lane 3: move_to has 2 elements; expected 30 or none",
       [](Plan& p) {
         p.lanes[3].move_to = {1, 2};
       }},
      {"plan, lane 3: log_weight has 2 elements",
       [](Plan& p) {
         p.lanes[3].log_weight = {1, 2};
       }},
      {"plan, lane 3: values has 2 elements; expected 960 or none",
       [](Plan& p) {
         p.lanes[3].values = {1, 2};
       }},
      {"plan, lane 3: add.keys has 0 elements; expected 32",
       [](Plan& p) { p.lanes[3].add.info.resize(1); }},
      {"plan, lane 3: move_to 4 is nan; expected a finite number",
       [](Plan& p) { (p.lanes[3].move_to = std::vector<float>(30))[4] = NAN; }},
      {"plan, lane 0: new entry 0 stands for the tokens [4, 99); expected a part of [0, 30)",
       [](Plan& p) {
         p.lanes[0].add.info = {{.span = {4, 99}}};
         p.lanes[0].add.keys = p.lanes[0].add.values = std::vector<float>(32);
       }},
  };
  Rng rng(8);
  Cache cache = make(2, 2, 32);
  append_random(cache, 30, rng);
  const auto before = content(cache);
  for (const BadPlan& b : bad) {
    Plan plan = identity(cache);
    b.spoil(plan);
    try {
      cache.apply(plan);
      ADD_FAILURE() << "accepted: " << b.message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_input);
      EXPECT_THAT(error.what(), HasSubstr(b.message));
    }
    EXPECT_EQ(content(cache), before);
  }
}

TEST(Apply, RefusesToMoveWithoutARotation) {
  Rng rng(8);
  Cache cache({.layers = 1, .kv_heads = 1, .head_dim = 32}, {});
  append_random(cache, 1, rng);
  Plan plan = identity(cache);
  plan.lanes[0].move_to = {3};
  EXPECT_THROW(cache.apply(plan), Error);
}

TEST(Truncate, UndoesAQuestion) {
  Rng rng(9);
  Cache cache = make(2, 2, 32);
  append_random(cache, 30, rng);
  cache.apply(random_plan(cache, 0.5, 2, rng));
  const auto before = content(cache);
  const Index bytes = cache.bytes().keys_values;
  append_random(cache, 40, rng);
  cache.truncate(30);
  EXPECT_EQ(content(cache), before);
  EXPECT_EQ(cache.bytes().keys_values, bytes);
  EXPECT_EQ(cache.source_tokens(), 30);
}

TEST(Truncate, RefusesToUndoWhatASummaryStandsFor) {
  Rng rng(9);
  Cache cache = make(1, 1, 32);
  append_random(cache, 30, rng);
  Plan plan;
  LanePlan& lane = plan.lanes.emplace_back();
  lane.add.info = {{.position = 10, .span = {5, 25}, .kind = EntryKind::summary}};
  lane.add.keys = lane.add.values = std::vector<float>(32);
  cache.apply(plan);
  const auto before = content(cache);
  EXPECT_THROW(cache.truncate(20), Error);
  EXPECT_EQ(content(cache), before);
}

TEST(Plan, SummaryNamesLayers) {
  Plan plan;
  plan.lanes.resize(4);
  plan.lanes[3].keep = {1, 2};
  EXPECT_EQ(summarize(plan, {.layers = 2, .kv_heads = 2}),
            "plan of 4 lanes: 2 kept, 0 added\nlayer 0: kept 0 0, added 0 0\nlayer 1: kept 0 2, "
            "added 0 0\n");
}

TEST(Cache, PartsPutTogetherAreTheWhole) {
  Rng rng(5);
  Cache cache({.layers = 2, .kv_heads = 2, .head_dim = 8}, rope(2, 8));
  append_random(cache, 21, rng);
  Cache front = cache.fork();
  front.truncate(13);
  const Cache back = cache.part(13);
  EXPECT_EQ(back.size(3), 8);
  EXPECT_EQ(back.full_bytes(), 8 * 4 * 8 * 4);
  front.extend(back);
  std::vector<float> whole(21 * 8), again(21 * 8);
  cache.read_values(3, whole);
  front.read_values(3, again);
  EXPECT_EQ(whole, again);
  EXPECT_EQ(front.source_tokens(), 21);
  EXPECT_EQ(front.bytes().total(), cache.bytes().total());
}

}  // namespace
}  // namespace pith::cache
