// Budgets in all units, and that no plan exceeds one.

#include "recipe/budget.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "recipe/planner.h"
#include "recipe/recipe_test_support.h"
#include "support/error_of.h"

namespace pith::recipe {
namespace {

using test::error_of;
using ::testing::ElementsAre;
using testing::make_world;
using testing::World;
using testing::WorldOptions;

TEST(Budget, FractionsTruncateInDoubleAsKvpressDoes) {
  EXPECT_EQ(kept_of(200, 0.8), 39);
  EXPECT_EQ(kept_of(1000, 0.9), 99);
  EXPECT_EQ(kept_of(5, 0.9), 1);
  EXPECT_EQ(kept_of(0, 0.9), 0);
}

TEST(Budget, AutoReadsBack) {
  EXPECT_EQ(parse_budget("auto"), (Budget{BudgetUnit::automatic, 0.1}));
  EXPECT_EQ(to_string(*parse_budget("auto(risk=0.1)")), "auto(risk=0.1)");
  for (const char* text : {"auto()", "auto(risk=0)", "auto(risk=2x)", "auto(risk=auto)", "autox"})
    EXPECT_EQ(parse_budget(text), std::nullopt) << text;
}

TEST(Budget, EntriesAreSharedEvenlyAsFarAsLanesHaveThem) {
  EXPECT_THAT(room_of_entries(30, {{4, 20, 20, 0}, {0, 0, 0, 0}, 4}).lane,
              ElementsAre(4, 13, 13, 0));
  EXPECT_THAT(room_of_entries(99, {{4, 20}, {0, 0}, 2}).lane, ElementsAre(4, 20));
}

// What lane_bytes() predicts is what the cache allocates.
TEST(Budget, PredictedBytesAreThoseOfTheCache) {
  const World world = make_world({.layers = 3, .head_dim = 64, .tokens = 333});
  for (const char* recipe :
       {"knorm @ 0.3", "knorm + rerotate @ 0.5", "summary_route(r=50)", "knorm + adakv + f32 @ 0.7",
        "int4", "knorm + int8 @ 0.3", "knorm + int4(cold=0.5, recent=30) + rerotate @ 0.3",
        "summary_route(r=50) + int2(rotate=both)", "e4m3(last_layers=1)"}) {
    SCOPED_TRACE(recipe);
    const cache::Plan plan = Recipe::parse(recipe).plan(0, world.cache, world.signals);
    cache::Cache cache = world.cache.fork();
    cache.apply(plan);
    Index predicted = 0;
    for (Index lane = 0; lane < cache.shape().lanes(); ++lane) {
      LaneContent content;
      const auto info = cache.read_info(lane);
      const auto formats = cache.read_formats(lane);
      for (std::size_t j = 0; j < info.size(); ++j) {
        ++content.of(formats[j], cache::columns_of(info[j]));
      }
      predicted += lane_bytes(cache.shape(), content);
    }
    EXPECT_EQ(cache.bytes().total(), predicted);
  }
}

TEST(Budget, ARatioUsesWhatItIsGiven) {
  const World world = make_world({.layers = 4, .head_dim = 64, .tokens = 2000});
  const double full = static_cast<double>(world.cache.full_bytes());
  for (const char* allocator :
       {"uniform", "adakv", "global", "positions", "pyramid", "chunked(64)"})
    for (const double ratio : {2.0, 5.0, 10.0}) {
      const std::string text = fmt::format("keydiff + {} @ {}x", allocator, ratio);
      cache::Cache cache = world.cache.fork();
      cache.apply(Recipe::parse(text).plan(0, world.cache, world.signals));
      const double reached = full / static_cast<double>(cache.bytes().total());
      EXPECT_GE(reached, ratio) << text;
      EXPECT_LE(reached, ratio * 1.06) << text;  // what whole tiles cost
    }
}

// The smallest entries of a format with `cold` are those of 2 bits: room for them is looked for.
TEST(Budget, ARatioUsesWhatItIsGivenWhereSomeTakeTwoBits) {
  const World world = make_world({.layers = 4, .head_dim = 64, .tokens = 2000});
  const double full = static_cast<double>(world.cache.full_bytes());
  for (const char* format :
       {"int8(cold=0.5, sinks=0, recent=0)", "int4(cold=0.5, sinks=0, recent=0)",
        "int4(cold=1, sinks=0, recent=0)", "e4m3(cold=1, sinks=0, recent=0)"})
    for (const double ratio : {8.0, 12.0}) {
      const std::string text = fmt::format("keydiff + global + {} @ {}x", format, ratio);
      cache::Cache cache = world.cache.fork();
      cache.apply(Recipe::parse(text).plan(0, world.cache, world.signals));
      const double reached = full / static_cast<double>(cache.bytes().total());
      EXPECT_GE(reached, ratio) << text;
      EXPECT_LE(reached, ratio * 1.06) << text;
    }
}

// What is paid for is used: no lane of a plan in bytes has a tile with a gap. Counts are as asked.
TEST(Budget, TilesOfAPlanInBytesAreFull) {
  const World world = make_world({.layers = 4, .head_dim = 64, .tokens = 700});
  for (const char* allocator : {"global", "adakv"})
    for (const char* format : {"bf16", "int4(sinks=0, recent=0)"}) {
      const auto sizes = [&](const char* budget) {
        cache::Cache cache = world.cache.fork();
        cache.apply(Recipe::parse(fmt::format("keydiff + {} + {} @ {}", allocator, format, budget))
                        .plan(0, world.cache, world.signals));
        std::vector<Index> out;
        for (Index lane = 0; lane < cache.shape().lanes(); ++lane) out.push_back(cache.size(lane));
        return out;
      };
      for (const Index size : sizes("12x")) EXPECT_EQ(size % 16, 0) << allocator << format;
      const auto counted = sizes("37tok");
      EXPECT_EQ(std::accumulate(counted.begin(), counted.end(), Index{0}),
                37 * std::ssize(counted));
    }
}

// Entries with and without a weight lie in tiles of their own, so each kind is filled up with its
// own: what is added never opens a tile.
TEST(Budget, TilesOfEachKindOfEntryAreFull) {
  World world = make_world({.layers = 4, .head_dim = 64, .tokens = 700});
  cache::Plan every_third_weighs;
  for (Index lane = 0; lane < world.cache.shape().lanes(); ++lane) {
    auto& own = every_third_weighs.lanes.emplace_back();
    for (std::int32_t j = 0; j < 700; ++j) {
      own.keep.push_back(j);
      own.log_weight.push_back(j % 3 == 0 ? 0.5f : 0);
    }
  }
  world.cache.apply(every_third_weighs);
  cache::Cache small = world.cache.fork();
  small.apply(Recipe::parse("keydiff + global @ 6x").plan(0, world.cache, world.signals));
  for (Index lane = 0; lane < small.shape().lanes(); ++lane) {
    std::map<cache::Columns, Index> kinds;
    for (const auto& entry : small.read_info(lane)) ++kinds[cache::columns_of(entry)];
    EXPECT_EQ(kinds.size(), 2u);
    for (const auto& [columns, count] : kinds) EXPECT_EQ(count % 16, 0) << lane;
  }
}

TEST(Budget, WhatCannotBeMetSaysWhatCan) {
  const World world = make_world({.layers = 2, .tokens = 100});
  EXPECT_EQ(
      error_of([&] { Recipe::parse("knorm @ 1KiB").plan(0, world.cache, world.signals); }),
      "budget of \"knorm + uniform + drop + bf16 @ 1KiB\": it is 1024 bytes, but the smallest "
      "plan takes 2752 (4.651x); give a larger budget");
}

std::string random_stage(Rng& rng) {
  const auto pick = [&](std::initializer_list<const char*> from) {
    return std::string(*(from.begin() + rng.below(static_cast<Index>(from.size()))));
  };
  if (rng.below(4) == 0)
    return pick({"attention(sum)", "attention(tail)", "knorm"}) + " + " +
           pick({"route(chunks=0)", "route(chunks=1)", "route(borders=sentence)",
                 "route(scope=per_layer)", "route(random=true)", "route(exact=recent)"}) +
           pick({"", " + summary", " + summary(of_routed=drop)", " + rerotate"});
  return pick({"random", "recency", "knorm", "keydiff", "attention(sum)", "snapkv(window=16)",
               "tova", "expected_attention(n_future=8)", "kvzip", "kvzip_plus",
               "question_attention"}) +
         pick({"", "", " + pins(sinks=2)", " + chunk_mean"}) +
         pick({" + uniform", " + adakv", " + adakv(floor=0)", " + global", " + global(floor=0.5)",
               " + positions", " + pyramid", " + chunked(16)"}) +
         pick({"", "", " + rerotate"});
}

std::string random_format(Rng& rng) {
  const std::vector<std::string> formats = {"",
                                            "",
                                            " + f32",
                                            " + int8",
                                            " + int4(recent=8)",
                                            " + int4(rotate=none, cold=0.4, sinks=0)",
                                            " + int2(rotate=both, recent=0)",
                                            " + e4m3(first_layers=1)"};
  return formats[static_cast<std::size_t>(rng.below(std::ssize(formats)))];
}

// Checks that `plan` is within `budget`, given what the cache was.
void expect_within(const Budget& budget, const World& before, const cache::Cache& after) {
  Index lanes = 0, had = 0, has = 0, floor = 0;
  for (Index lane = 0; lane < after.shape().lanes(); ++lane) {
    if (after.shape().window(lane / after.shape().kv_heads) > 0) continue;
    ++lanes;
    had += before.cache.size(lane);
    has += after.size(lane);
    floor += kept_of(before.cache.size(lane), budget.value);
  }
  switch (budget.unit) {
    case BudgetUnit::fraction: {
      const auto cut = static_cast<Index>(static_cast<double>(had) * budget.value);
      EXPECT_LE(has, std::max(floor, had - cut));
      break;
    }
    case BudgetUnit::tokens:
      EXPECT_LE(static_cast<double>(has), budget.value * static_cast<double>(lanes));
      break;
    case BudgetUnit::ratio:
      EXPECT_LE(static_cast<double>(after.bytes().total()),
                static_cast<double>(after.full_bytes()) / budget.value);
      break;
    case BudgetUnit::bytes:
      EXPECT_LE(static_cast<double>(after.bytes().total()), budget.value);
      break;
    case BudgetUnit::automatic:
      FAIL() << "no plan is made at it";
  }
}

// Random recipes, budgets and shapes: the plan is valid and within its budget, or the budget is
// refused; a second stage works on what the first one left.
TEST(Budget, IsNeverExceeded) {
  Rng rng(11);
  int planned = 0;
  for (int round = 0; round < 600; ++round) {
    WorldOptions options;
    options.layers = 1 + rng.below(4);
    options.kv_heads = 1 + rng.below(3);
    options.query_heads = options.kv_heads * (1 + rng.below(3));
    options.head_dim = 4 + 2 * rng.below(8);
    options.tokens = 1 + rng.below(150);
    options.prefix = rng.below(10);
    options.seed = static_cast<std::uint64_t>(round);
    options.format = rng.below(2) == 0 ? cache::Format::bf16 : cache::Format::f32;
    for (Index layer = 0; layer < options.layers; ++layer)
      options.windows.push_back(rng.below(5) == 0 ? 16 : 0);
    World world = make_world(options);
    for (int stage = 0; stage < 2; ++stage) {
      const std::string budget = std::vector<std::string>{
          fmt::format("{:.3f}", rng.uniform() * 0.98),
          fmt::format("{:.2f}x", 1 + rng.uniform() * 9),
          fmt::format("{}tok", 1 + rng.below(options.tokens)),
          fmt::format("{}KiB", 1 + rng.below(64))}[static_cast<std::size_t>(rng.below(4))];
      const std::string text = random_stage(rng) + random_format(rng) + " @ " + budget;
      SCOPED_TRACE(fmt::format("round {}: {} on {} tokens", round, text, options.tokens));
      std::optional<cache::Plan> plan;
      const std::string refusal =
          error_of([&] { plan = Recipe::parse(text).plan(0, world.cache, world.signals); });
      if (refusal != "no error") {
        EXPECT_TRUE(refusal.starts_with("budget")) << refusal;
        continue;
      }
      ++planned;
      cache::Cache after = world.cache.fork();
      ASSERT_EQ(error_of([&] { after.apply(*plan); }), "no error");
      expect_within(*parse_budget(budget), world, after);
      world.cache = std::move(after);
    }
  }
  EXPECT_GT(planned, 700);
}

}  // namespace
}  // namespace pith::recipe
