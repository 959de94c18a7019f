// Scorers, adjusters, allocators and realisers on hand-made caches.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "recipe/planner.h"
#include "recipe/recipe_test_support.h"
#include "support/error_of.h"

namespace pith::recipe {
namespace {

using test::error_of;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::make_world;
using testing::World;

// A world whose knorm scores are `scores`: keys are minus them along the first axis.
World scored(const std::vector<std::vector<float>>& scores, Index kv_heads) {
  const World world = testing::world_for(scores, kv_heads);
  const Index tokens = world.signals.tokens;
  World out{cache::Cache(world.cache.shape(), world.cache.rotation(), cache::Format::f32),
            world.signals};
  for (Index layer = 0; layer < std::ssize(world.signals.layers); ++layer) {
    std::vector<float> keys(static_cast<std::size_t>(tokens * kv_heads * 2)), values = keys;
    for (Index t = 0; t < tokens; ++t)
      for (Index h = 0; h < kv_heads; ++h)
        keys[(t * kv_heads + h) * 2] = 100 - scores[layer * kv_heads + h][t];
    out.cache.append(layer, keys, values, 0, 0);
  }
  return out;
}

cache::Plan plan_of(const std::string& recipe, const World& world, Index stage = 0) {
  return Recipe::parse(recipe).plan(stage, world.cache, world.signals);
}

// The example of sources.md 8: layer of two heads.
const std::vector<std::vector<float>> kAdaKvExample = {{9, 8, 7, 6}, {5, 4, 3, 1}};

TEST(Uniform, EveryHeadKeepsItsBest) {
  const World world = scored(kAdaKvExample, 2);
  const cache::Plan plan = plan_of("knorm @ 0.5", world);
  EXPECT_THAT(plan.lanes[0].keep, ElementsAre(0, 1));
  EXPECT_THAT(plan.lanes[1].keep, ElementsAre(0, 1));
}

TEST(AdaKv, WithoutFloorAHeadMayKeepNothing) {
  const World world = scored(kAdaKvExample, 2);
  const cache::Plan plan = plan_of("knorm + adakv(floor=0) @ 0.5", world);
  EXPECT_THAT(plan.lanes[0].keep, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(plan.lanes[1].keep, IsEmpty());
  World compressed{world.cache.fork(), world.signals};
  compressed.cache.apply(plan);  // an empty lane is legal
  EXPECT_EQ(compressed.cache.size(1), 0);
}

TEST(AdaKv, WithFloorEveryHeadIsSureOfOne) {
  const World world = scored(kAdaKvExample, 2);
  const cache::Plan plan = plan_of("knorm + adakv @ 0.5", world);
  EXPECT_THAT(plan.lanes[0].keep, ElementsAre(0, 1, 2));
  EXPECT_THAT(plan.lanes[1].keep, ElementsAre(0));
}

TEST(Global, LayersCompete) {
  const World world = scored({{9, 1, 2, 3}, {4, 1, 2, 8}}, 1);
  const cache::Plan plan = plan_of("knorm + global @ 0.75", world);
  EXPECT_THAT(plan.lanes[0].keep, ElementsAre(0));
  EXPECT_THAT(plan.lanes[1].keep, ElementsAre(3));
  const cache::Plan layered = plan_of("knorm + global(scope=layer) @ 0.25", world);
  EXPECT_THAT(layered.lanes[0].keep, ElementsAre(0, 2, 3));
  EXPECT_THAT(layered.lanes[1].keep, ElementsAre(0, 2, 3));
}

TEST(Pyramid, LayersFallOnALineAndSumToTheBudget) {
  const World world = make_world({.layers = 5, .tokens = 200});
  const cache::Plan plan = plan_of("knorm + pyramid(beta=4) @ 40tok", world);
  std::vector<Index> kept;
  for (Index layer = 0; layer < 5; ++layer) kept.push_back(std::ssize(plan.lanes[layer * 2].keep));
  EXPECT_THAT(kept, ElementsAre(70, 55, 40, 25, 10));  // 2 * 40 - 10 down to 40 / 4
}

// What a short lane cannot hold goes to the others, still on the line: 110 entries as 40 to 10.
TEST(Pyramid, AShortFirstLaneDoesNotTurnItOver) {
  World world = make_world({.layers = 3, .query_heads = 1, .kv_heads = 1, .tokens = 100});
  cache::Plan ragged;
  ragged.lanes.resize(3);
  for (std::int32_t j = 0; j < 100; ++j)
    for (std::size_t lane = 0; lane < 3; ++lane)
      if (lane > 0 || j < 10) ragged.lanes[lane].keep.push_back(j);
  world.cache.apply(ragged);
  const cache::Plan plan = plan_of("knorm + pyramid(beta=4) @ 40tok", world);
  EXPECT_EQ(plan.lanes[0].keep.size(), 10u);
  EXPECT_EQ(plan.lanes[1].keep.size(), 88u);
  EXPECT_EQ(plan.lanes[2].keep.size(), 22u);
}

TEST(Positions, OneSetForAllLanesFromNormalisedLayers) {
  // Layer 0 is loud, layer 1 quiet; normalised, token 2 has the largest sum of shares.
  World world = make_world({.layers = 2, .query_heads = 1, .kv_heads = 1, .tokens = 4});
  world.signals.layers[0].attention_sum = {10, 20, 40, 30};
  world.signals.layers[1].attention_sum = {0.1f, 0.2f, 0.6f, 0.1f};
  const cache::Plan plan = plan_of("attention(sum) + positions @ 0.5", world);
  EXPECT_THAT(plan.lanes[0].keep, ElementsAre(2, 3));  // shares .2 .4 1.0 .4: the tie goes to 3
  EXPECT_THAT(plan.lanes[1].keep, ElementsAre(2, 3));
}

TEST(Chunked, EveryChunkKeepsItsShare) {
  const World world = scored({{9, 8, 7, 6, 1, 2, 3, 4, 5, 5}}, 1);
  EXPECT_THAT(plan_of("knorm + chunked(4) @ 0.5", world).lanes[0].keep, ElementsAre(0, 1, 6, 7, 9));
  EXPECT_THAT(plan_of("knorm + chunked(4) @ 4tok", world).lanes[0].keep, ElementsAre(0, 6, 7, 9));
}

TEST(ChunkMean, WholeChunksUpToTheBudget) {
  const World world = scored({{1, 1, 9, 9, 2, 2, 5, 5}, {1, 1, 1, 1, 2, 2, 9, 9}}, 2);
  const cache::Plan plan = plan_of("knorm + chunk_mean(2) @ 0.375", world);
  EXPECT_THAT(plan.lanes[0].keep, ElementsAre(2, 3, 5, 6, 7));  // 5 entries: a chunk is cut
  EXPECT_EQ(plan.lanes[0].keep, plan.lanes[1].keep);            // heads agree
  const cache::Plan quirk = plan_of("knorm + chunk_mean(2, quirk=kvpress) @ 0.375", world);
  EXPECT_THAT(quirk.lanes[0].keep, ElementsAre(2, 3, 6, 7));  // int(4 * 0.625) = 2 chunks
  const cache::Plan pinned =
      plan_of("knorm + pins(sinks=1, recent=1) + chunk_mean(2, quirk=kvpress) @ 0.75", world);
  EXPECT_THAT(pinned.lanes[0].keep, ElementsAre(0, 6, 7));  // one chunk, and the other chunk's pin
}

TEST(ChunkMean, APinnedEntryProtectsItsChunkAsFarAsRoomGoes) {
  const World world = scored({{1, 1, 1, 1, 9, 9, 9, 9}}, 1);
  EXPECT_THAT(plan_of("knorm + pins(sinks=1) + chunk_mean(4) @ 2tok", world).lanes[0].keep,
              ElementsAre(0, 3));
}

TEST(Pins, StayWhateverTheirScore) {
  const World world = scored({{0, 0, 9, 9, 9, 9, 9, 0}}, 1);
  EXPECT_THAT(plan_of("knorm + pins(sinks=1, recent=1) @ 0.5", world).lanes[0].keep,
              ElementsAre(0, 5, 6, 7));
  EXPECT_EQ(
      error_of([&] { plan_of("knorm + pins(sinks=4) @ 3tok", world); }),
      "budget of \"knorm + pins + uniform + drop + bf16 @ 3tok\": 4 entries of layer 0, head 0 "
      "are pinned, but only 3 may stay; give a larger budget");
}

TEST(Pins, ProtectTheChatPrefix) {
  World world = scored({{0, 0, 9, 9, 9, 9, 9, 9}}, 1);
  world.signals.prefix_tokens = 2;
  EXPECT_THAT(plan_of("knorm + pins(sinks=0, prefix=true) @ 0.5", world).lanes[0].keep,
              ElementsAre(0, 1, 6, 7));
}

TEST(StreamingLlm, FourSinksAndTheNewest) {
  const World world = make_world({.tokens = 20});
  EXPECT_THAT(plan_of("streaming_llm @ 0.6", world).lanes[3].keep,
              ElementsAre(0, 1, 2, 3, 16, 17, 18, 19));
}

TEST(SnapKv, AWindowThatTakesAllRoomLeavesHalfToTheScores) {
  const World world = make_world({.tokens = 40});
  const auto keep = plan_of("snapkv(window=16) @ 8tok", world).lanes[0].keep;
  EXPECT_EQ(std::count_if(keep.begin(), keep.end(), [](auto j) { return j >= 36; }), 4);
  EXPECT_LT(keep.front(), 24);
  const auto quirk = plan_of("snapkv(window=16, quirk=kvpress) @ 8tok", world).lanes[0].keep;
  EXPECT_THAT(quirk, ElementsAre(32, 33, 34, 35, 36, 37, 38, 39));
}

TEST(KvZip, AnUnjudgedPrefixCountsAsTheMedian) {
  World world =
      make_world({.layers = 1, .query_heads = 1, .kv_heads = 1, .tokens = 10, .prefix = 6});
  world.signals.layers[0].replay = {0, 0, 0, 0, 0, 0, 0.9f, 0.5f, 0.1f, 0.2f};
  EXPECT_THAT(plan_of("kvzip @ 0.1", world).lanes[0].keep, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 9));
  EXPECT_THAT(plan_of("kvzip(quirk=kvpress) @ 0.2", world).lanes[0].keep,
              ElementsAre(0, 1, 2, 3, 6, 7, 8, 9));
}

TEST(Random, LanesDifferButForTheQuirk) {
  const World world = make_world({.layers = 2});
  const cache::Plan plan = plan_of("random @ 0.5", world);
  EXPECT_NE(plan.lanes[0].keep, plan.lanes[2].keep);
  const cache::Plan quirk = plan_of("random(quirk=kvpress) @ 0.5", world);
  EXPECT_EQ(quirk.lanes[0].keep, quirk.lanes[2].keep);
  EXPECT_NE(quirk.lanes[0].keep, quirk.lanes[1].keep);
  EXPECT_EQ(plan_of("random @ 0.5", world).lanes[0].keep, plan.lanes[0].keep);
}

TEST(Rerotate, SurvivorsEndRightBeforeTheNextToken) {
  const World world = make_world({.tokens = 20, .format = cache::Format::f32});
  const cache::Plan plan = plan_of("streaming_llm + rerotate + f32 @ 6tok", world);
  EXPECT_THAT(plan.lanes[0].move_to, ElementsAre(14, 15, 16, 17, 18, 19));
  EXPECT_THAT(plan_of("streaming_llm + rerotate(start) @ 6tok", world).lanes[0].move_to,
              ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(SlidingWindows, KeepTheirLastEntriesAndAreNotCounted) {
  World world = make_world({.layers = 2, .tokens = 50, .windows = {8, 0}});
  const cache::Plan plan = plan_of("knorm @ 10tok", world);
  EXPECT_THAT(plan.lanes[0].keep, ElementsAre(42, 43, 44, 45, 46, 47, 48, 49));
  EXPECT_EQ(std::ssize(plan.lanes[2].keep), 10);
}

TEST(Stages, SignalsAreMappedThroughSpans) {
  World world = make_world({.layers = 1, .query_heads = 1, .kv_heads = 1, .tokens = 64});
  world.cache.apply(plan_of("route(chunks=0, retain=0) + summary(chunk=16)", world));
  ASSERT_EQ(world.cache.size(0), 4);
  auto& sums = world.signals.layers[0].attention_sum;
  std::fill(sums.begin(), sums.end(), 0.0f);
  for (Index t = 32; t < 48; ++t) sums[t] = 2;
  Scene scene(world.cache, world.signals, nullptr);
  const Scores scores = score(read_stages("attention(sum) @ 0.5").at(0), scene);
  EXPECT_THAT(scores.lanes[0], ElementsAre(0, 0, 2, 0));
}

TEST(Scorers, SpacedTakesEveryOtherThenEveryFourth) {
  World world = make_world({.layers = 1, .query_heads = 1, .kv_heads = 1, .tokens = 8});
  EXPECT_EQ(plan_of("spaced @ 0.75", world).lanes[0].keep.size(), 2u);
  Scene scene(world.cache, world.signals, nullptr);
  EXPECT_THAT(score(read_stages("spaced @ 0.5").at(0), scene).lanes[0],
              ElementsAre(0, -4, -2, -6, -1, -5, -3, -7));
}

// In bf16, the first two tokens stand behind the packed ones.
TEST(Scorers, SpacedGoesByPosition) {
  World world = make_world({.layers = 1, .query_heads = 1, .kv_heads = 1, .tokens = 8});
  world.cache.apply(plan_of("int4(sinks=2, recent=0)", world));
  Scene scene(world.cache, world.signals, nullptr);
  EXPECT_THAT(scene.by_position(0), ElementsAre(6, 7, 0, 1, 2, 3, 4, 5));
  EXPECT_THAT(score(read_stages("spaced @ 0.5").at(0), scene).lanes[0],
              ElementsAre(-2, -6, -1, -5, -3, -7, 0, -4));
}

TEST(Recipe, ControlsChooseByChanceOrPlaceAlone) {
  for (const char* control : {"random @ 2x", "streaming_llm @ 2x", "spaced @ 2x",
                              "random + pins(turns=1) + positions @ 2x", "random + int4 @ 4x"})
    EXPECT_TRUE(Recipe::parse(control).is_control()) << control;
  for (const char* other :
       {"full", "knorm @ 2x", "s0_recent", "random @ 2x then knorm @ 4x", "random + surprisal @ 2x",
        "random + curves @ 2x", "recency + route_floor @ 2x", "random + match @ 2x"})
    EXPECT_FALSE(Recipe::parse(other).is_control()) << other;
}

TEST(Stages, EveryScorerWorksOnACompressedCache) {
  for (const char* scorer : {"random",
                             "recency",
                             "spaced",
                             "knorm",
                             "keydiff",
                             "attention(sum)",
                             "attention(max)",
                             "attention(sum, normalise=true)",
                             "attention(tail, normalise=true)",
                             "snapkv(window=8)",
                             "question_attention",
                             "tova",
                             "expected_attention",
                             "kvzip",
                             "lagkv",
                             "cur",
                             "leverage",
                             "non_causal",
                             "compactor",
                             "capkv",
                             "finch",
                             "simlayer",
                             "dropkv",
                             "echo",
                             "kvcompose",
                             "qfilters",
                             "kvzap",
                             "duo",
                             "triattention",
                             "rkv"}) {
    SCOPED_TRACE(scorer);
    World world = make_world({.tokens = 96});
    world.cache.apply(plan_of("summary_route(r=24, k=1)", world));
    const cache::Plan plan = plan_of(std::string(scorer) + " @ 0.5", world);
    EXPECT_GT(plan.kept(), 0);
    world.cache.apply(plan);
  }
}

TEST(Planner, MissingSignalsAreRefusedByName) {
  World world = make_world({.layers = 1, .tokens = 32});
  world.signals.layers[0].attention_sum.clear();
  EXPECT_EQ(error_of([&] { plan_of("attention(sum) @ 0.5", world); }),
            "signals for \"attention + uniform + drop + bf16 @ 0.5\": layer 0 has 0 numbers of "
            "attention sums, 128 are needed; collect them with the recipe's needs()");
  world.signals.question_tokens = 0;
  EXPECT_EQ(error_of([&] { plan_of("summary_route", world); }).substr(0, 30),
            "signals for \"attention + route");
}

TEST(Planner, ScoresThatAreNotNumbersAreRefused) {
  World world = make_world({.layers = 1, .tokens = 32});
  world.signals.layers[0].attention_sum[40] = NAN;
  EXPECT_EQ(error_of([&] { plan_of("attention(sum) @ 0.5", world); }),
            "attention: the score of entry 8 in layer 0, head 0 is not a number; the cache or the "
            "signals hold one that is not");
}

TEST(Planner, AThreadPoolChangesNothing) {
  const World world = make_world({.layers = 4, .tokens = 128});
  ThreadPool pool(3);
  for (const char* text :
       {"snapkv + adakv @ 4x", "expected_attention @ 0.5", "summary_route(r=9)"}) {
    const Recipe recipe = Recipe::parse(text);
    const cache::Plan alone = recipe.plan(0, world.cache, world.signals);
    const cache::Plan pooled = recipe.plan(0, world.cache, world.signals, &pool);
    for (std::size_t lane = 0; lane < alone.lanes.size(); ++lane) {
      EXPECT_EQ(alone.lanes[lane].keep, pooled.lanes[lane].keep);
      EXPECT_EQ(alone.lanes[lane].add.keys, pooled.lanes[lane].add.keys);
    }
  }
}

}  // namespace
}  // namespace pith::recipe
