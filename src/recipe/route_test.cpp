// S0: routed chunks, retained tokens and summaries.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "recipe/chunks.h"
#include "recipe/planner.h"
#include "recipe/recipe_test_support.h"
#include "support/error_of.h"

namespace pith::recipe {
namespace {

using test::error_of;
using ::testing::ElementsAre;
using testing::make_world;
using testing::World;

cache::Plan plan_of(const std::string& recipe, const World& world) {
  return Recipe::parse(recipe).plan(0, world.cache, world.signals);
}

// A world whose question attends to `token` alone: its key points where all queries do. Without
// such a token all keys are zero.
World asking(Index token, Index tokens) {
  World world = make_world(
      {.layers = 2, .query_heads = 2, .kv_heads = 1, .tokens = tokens, .prefix = 4, .question = 3});
  World out{cache::Cache(world.cache.shape(), world.cache.rotation()), world.signals};
  for (Index layer = 0; layer < 2; ++layer) {
    std::vector<float> keys(static_cast<std::size_t>(tokens * 8)), values(keys.size(), 1.0f);
    if (token < tokens) keys[token * 8] = 30;
    out.cache.append(layer, keys, values, 0, 0);
    auto& queries = out.signals.layers[layer].question_queries;
    std::fill(queries.begin(), queries.end(), 0.0f);
    for (std::size_t i = 0; i < queries.size(); i += 8) queries[i] = 1;
  }
  return out;
}

TEST(Chunks, AreFixedOrBeginWithSentences) {
  EXPECT_THAT(fixed_chunks(70, 32), ElementsAre(Chunk{0, 32}, Chunk{32, 64}, Chunk{64, 70}));
  const std::vector<std::int32_t> starts = {0, 10, 25, 70, 75};
  EXPECT_THAT(sentence_chunks(90, 32, starts),
              ElementsAre(Chunk{0, 25}, Chunk{25, 70}, Chunk{70, 90}));
  EXPECT_THAT(sentence_chunks(100, 10, {starts.data(), 1}),  // one sentence: cut where too long
              ElementsAre(Chunk{0, 10}, Chunk{10, 20}, Chunk{20, 30}, Chunk{30, 40}, Chunk{40, 50},
                          Chunk{50, 60}, Chunk{60, 70}, Chunk{70, 80}, Chunk{80, 100}));
  EXPECT_THAT(sentence_chunks(0, 10, starts), ElementsAre());
}

TEST(Route, FindsTheChunkThatTheQuestionAsksFor) {
  const World world = asking(70, 128);
  for (const char* router : {"A", "B", "C"}) {
    const auto plan =
        plan_of(std::string("route(chunks=1, retain=0, router=") + router + ")", world);
    ASSERT_EQ(std::ssize(plan.lanes[0].keep), 32) << router;
    EXPECT_EQ(plan.lanes[0].keep.front(), 64) << router;
  }
}

TEST(Route, BordersFollowSentencesAndOverlapWidens) {
  const World world = asking(70, 128);  // sentences begin at 0, 11, 22, ...
  const auto sentence = plan_of("route(chunks=1, retain=0, borders=sentence)", world).lanes[0].keep;
  EXPECT_EQ(sentence.front(), 66);
  EXPECT_EQ(sentence.back(), 87);
  const auto wide = plan_of("route(chunks=1, retain=0, overlap=5)", world).lanes[0].keep;
  EXPECT_EQ(wide.front(), 59);
  EXPECT_EQ(wide.back(), 100);
}

TEST(Route, ThePrefixIsNeverWhatWasAskedFor) {
  const World world = asking(2, 128);  // an attention sink
  const auto plan = plan_of("route(chunks=1, retain=0, chunk=4)", world);
  EXPECT_GE(plan.lanes[0].keep.front(), 4);
}

TEST(Route, LayersMayRouteAlone) {
  World world = asking(70, 128);
  auto& queries = world.signals.layers[1].question_queries;
  for (float& q : queries) q = -q;  // layer 1 looks everywhere but at token 70
  const auto together = plan_of("route(chunks=1, retain=0)", world);
  EXPECT_EQ(together.lanes[0].keep, together.lanes[1].keep);
  const auto alone = plan_of("route(chunks=1, retain=0, scope=per_layer)", world);
  EXPECT_EQ(alone.lanes[0].keep.front(), 64);
  EXPECT_NE(alone.lanes[0].keep, alone.lanes[1].keep);
}

TEST(Route, MayRouteAgain) {
  EXPECT_EQ(Recipe::parse("summary_route(reroute=4)").again_every(), 4);
  EXPECT_EQ(Recipe::parse("summary_route").again_every(), 0);
  EXPECT_TRUE(Recipe::parse("summary_route(reroute=4)").sees_question());
  EXPECT_EQ(error_of([] { Recipe::parse("s0_random_route(reroute=4)"); }),
            "recipe \"s0_random_route(reroute=4)\", column 1: route: reroute asks for other chunks "
            "as the answer grows, but no chunk is asked for here");
}

// entries = |top-r and routed chunks together| + ceil(T / chunk) summaries (sources.md 1.2)
TEST(S0, EntryArithmetic) {
  World world = asking(70, 100);
  for (auto& layer : world.signals.layers) {
    std::fill(layer.attention_sum.begin(), layer.attention_sum.end(), 0.01f);
    for (Index h = 0; h < 2; ++h)
      for (Index t = 90; t < 100; ++t) layer.attention_sum[h * 100 + t] = 1;  // 6 of them routed
  }
  const auto plan = plan_of("summary_route(k=1, r=10)", world);
  EXPECT_EQ(std::ssize(plan.lanes[0].keep), 10 + 32 - 6);  // chunk [64, 96)
  EXPECT_EQ(std::ssize(plan.lanes[0].add.info), 4);
  EXPECT_EQ(plan.added(), 8);
  const auto fewer = plan_of("summary_route(k=1, r=10, drop_summary_of_routed=true)", world);
  EXPECT_EQ(std::ssize(fewer.lanes[0].add.info), 2);  // [64, 96) and [96, 100) are held exact
  EXPECT_EQ(plan_of("s0_summary_only", world).kept(), 0);
  EXPECT_EQ(plan_of("s0_route_only", world).added(), 0);
  EXPECT_EQ(plan_of("s0_recent(k=0, r=10)", world).lanes[1].keep.front(), 90);
}

// Qwen2.5-1.5B in f32 at 4096 tokens: 57,344 bytes per position, 224 MiB (sources.md 8).
TEST(S0, BytesOfTheArticle) {
  EXPECT_EQ(28 * 2 * 2 * 128 * 4, 57344);
  EXPECT_EQ(57344 * 4096, 224 << 20);
  const World world = make_world({.layers = 1, .query_heads = 1, .kv_heads = 1, .tokens = 4096});
  const auto plan = plan_of("summary_route", world);  // k = 3, r = 1024: 1225 entries, 67 MiB
  const Index entries = plan.kept() + plan.added();
  EXPECT_GE(entries, 1024 + 128);
  EXPECT_LE(entries, 1024 + 96 + 128);
}

TEST(S0, ABudgetSolvesWhatIsRetained) {
  const World world = asking(70, 128);
  const auto plan = plan_of("summary_route(k=1) @ 60tok", world);
  EXPECT_EQ(plan.kept() + plan.added(), 2 * 60);
  EXPECT_EQ(plan.added(), 2 * 4);
  const auto half = plan_of("summary_route(k=1) @ 0.5", world);
  EXPECT_EQ(half.kept() + half.added(), 2 * 64);
  EXPECT_EQ(error_of([&] { plan_of("summary_route(k=1) @ 20tok", world); }),
            "budget of \"attention + route(chunks=1) + summary + bf16 @ 20tok\": it leaves 32 "
            "entries over all lanes, but route needs 64; give a larger budget");
  EXPECT_EQ(
      error_of([&] { plan_of("summary_route(k=1) @ 2tok", world); }),
      "budget of \"attention + route(chunks=1) + summary + bf16 @ 2tok\": it leaves 4 entries "
      "over all lanes, but summaries take 8; give a larger budget");
}

TEST(Summary, IsTheMeanOfRotatedKeysAndValues) {
  const World world = make_world(
      {.layers = 1, .query_heads = 1, .kv_heads = 1, .tokens = 40, .format = cache::Format::f32});
  std::vector<float> keys(40 * 8), values(40 * 8);
  world.cache.read_keys(0, keys);
  world.cache.read_values(0, values);
  const auto added = plan_of("s0_summary_only", world).lanes[0].add;
  ASSERT_EQ(added.info.size(), 2u);
  EXPECT_EQ(added.info[1].span, (cache::Span{32, 40}));
  EXPECT_EQ(added.info[1].position, 35.5f);
  EXPECT_EQ(added.info[1].kind, cache::EntryKind::summary);
  EXPECT_EQ(added.info[1].log_weight, 0);
  double key = 0, value = 0;
  for (Index t = 32; t < 40; ++t) {
    key += keys[t * 8 + 3] / 8;
    value += values[t * 8 + 3] / 8;
  }
  EXPECT_NEAR(added.keys[8 + 3], key, 1e-6);
  EXPECT_NEAR(added.values[8 + 3], value, 1e-6);
}

// 32 equal keys rotated to 32 positions: the mean shrinks by |sin(16 w) / (32 sin(w / 2))|.
TEST(Summary, LosesTheNormOfFastRotations) {
  for (const auto& [frequency, factor] :
       {std::pair{1.0, 0.019}, {0.2, 0.018}, {0.1, 0.625}, {0.01, 0.996}}) {
    cache::Cache cache({1, 1, 2, {}}, {{{frequency}}}, cache::Format::f32);
    std::vector<float> keys, values(64);
    for (Index t = 0; t < 32; ++t) {
      keys.push_back(static_cast<float>(std::cos(frequency * static_cast<double>(t))));
      keys.push_back(static_cast<float>(std::sin(frequency * static_cast<double>(t))));
    }
    cache.append(0, keys, values, 0, 0);
    Signals signals;
    signals.tokens = signals.next_position = 32;
    const auto plan = Recipe::parse("s0_summary_only").plan(0, cache, signals);
    const auto& mean = plan.lanes[0].add.keys;
    const double expected = std::abs(std::sin(16 * frequency) / (32 * std::sin(frequency / 2)));
    EXPECT_NEAR(std::hypot(mean[0], mean[1]), expected, 1e-5);
    EXPECT_NEAR(expected, factor, 2e-3);
  }
}

TEST(Summary, ControlArms) {
  const World world = make_world({.layers = 1, .query_heads = 1, .kv_heads = 1, .tokens = 64});
  const auto plain = plan_of("s0_summary_only", world).lanes[0].add;
  const auto zero = plan_of("s0_summary_only(values=zero)", world).lanes[0].add;
  EXPECT_EQ(zero.keys, plain.keys);
  EXPECT_THAT(zero.values, ::testing::Each(0.0f));
  const auto random = plan_of("s0_summary_only(keys=random)", world).lanes[0].add;
  const auto norm = [](const std::vector<float>& keys) {
    double sum = 0;
    for (Index i = 0; i < 8; ++i) sum += double{keys[i]} * keys[i];
    return std::sqrt(sum);
  };
  EXPECT_NEAR(norm(random.keys), norm(plain.keys), 1e-5);
  EXPECT_NE(random.keys, plain.keys);
  EXPECT_EQ(random.values, plain.values);
  const auto counted = plan_of("s0_summary_only(weight=log_count)", world).lanes[0].add;
  EXPECT_FLOAT_EQ(counted.info[0].log_weight, std::log(32.0f));
  const auto route = plan_of("s0_random_route(k=2, r=0)", world);
  EXPECT_GT(route.kept(), 0);
}

// A lane of 64 equal keys: each summary of 32 must count for its 32 tokens, whoever asks; of the
// chunk of which 31 tokens stay, for the one that is gone.
TEST(Summary, FittedWeightsAreTheMissingMass) {
  World world = asking(70, 64);  // no token is asked for
  const auto& asked = world.signals.layers[0].question_queries;
  world.signals.context_queries = {
      {.wanted = 256, .count = world.signals.question_tokens, .queries = {asked, asked}}};
  for (const char* queries : {"question", "context"}) {
    const auto added =
        plan_of(std::string("s0_summary_only(weight=fitted, queries=") + queries + ")", world)
            .lanes[0]
            .add;
    EXPECT_NEAR(added.info[0].log_weight, std::log(32.0f), 1e-5);
    EXPECT_NEAR(added.info[1].log_weight, std::log(32.0f), 1e-5);
  }
  const auto recent = plan_of("s0_recent(k=0, r=31, weight=fitted)", world).lanes[0].add;
  EXPECT_NEAR(recent.info[0].log_weight, std::log(32.0f), 1e-5);
  EXPECT_NEAR(recent.info[1].log_weight, 0, 1e-5);
  EXPECT_EQ(plan_of("s0_recent(k=0, r=32, weight=fitted)", world).lanes[0].add.info.size(), 1u);
}

// With summaries and kept tokens together, the mass of the whole lane is there again.
TEST(Summary, FittedWeightsRestoreTheMassThatReferencesPaid) {
  const World world = make_world({.layers = 1, .query_heads = 1, .kv_heads = 1, .tokens = 64});
  const auto added =
      plan_of("s0_summary_only(weight=fitted, queries=question)", world).lanes[0].add;
  const Scene scene(world.cache, world.signals, nullptr);
  const auto keys = scene.keys(0);
  double wanted = 0, drawn = 0;  // of the second chunk, over the question's queries
  for (Index r = 0; r < world.signals.question_tokens; ++r) {
    const auto mass = [&](const float* key) {
      double sum = 0;
      for (Index i = 0; i < 8; ++i)
        sum += double{world.signals.layers[0].question_queries[r * 8 + i]} * key[i];
      return std::exp(world.signals.attention_scale * sum);
    };
    double all = 0, own = 0;
    for (Index j = 0; j < 64; ++j) (j < 32 ? all : own) += mass(&keys[j * 8]);
    wanted += own / (all + own);
    drawn += std::exp(added.info[1].log_weight) * mass(&added.keys[8]) / (all + own);
  }
  EXPECT_NEAR(drawn, wanted, 1e-4);
}

}  // namespace
}  // namespace pith::recipe
