// Planning at the size of Qwen2.5-0.5B: 24 layers, 14 query heads, 2 KV heads, D 64.

#include <benchmark/benchmark.h>

#include "recipe/recipe_test_support.h"

namespace pith::recipe {
namespace {

testing::World& world(Index tokens) {
  static testing::World all = testing::make_world({.layers = 24,
                                                   .query_heads = 14,
                                                   .kv_heads = 2,
                                                   .head_dim = 64,
                                                   .tokens = tokens,
                                                   .question = 24});
  return all;
}

void plan(benchmark::State& state, const char* text) {
  testing::World& w = world(4096);
  ThreadPool pool(2);
  const Recipe recipe = Recipe::parse(text);
  for (auto _ : state) benchmark::DoNotOptimize(recipe.plan(0, w.cache, w.signals, &pool));
}

void register_all() {
  for (const char* text : {"knorm @ 0.5",
                           "keydiff @ 0.5",
                           "attention(sum) @ 0.5",
                           "tova @ 0.5",
                           "snapkv @ 0.5",
                           "expected_attention @ 0.5",
                           "kvzip @ 0.5",
                           "snapkv + adakv @ 10x",
                           "kvzip + global @ 10x",
                           "keydiff + positions @ 10x",
                           "summary_route",
                           "summary_route @ 10x",
                           "knorm + rerotate @ 4x",
                           "lagkv @ 0.5",
                           "cur @ 0.5",
                           "leverage @ 0.5",
                           "non_causal @ 0.5",
                           "compactor @ 0.5",
                           "capkv @ 0.5",
                           "finch @ 0.5",
                           "simlayer @ 0.5",
                           "dropkv @ 0.5",
                           "echo @ 0.5",
                           "kvcompose @ 0.5",
                           "qfilters @ 0.5",
                           "kvzap @ 0.5",
                           "duo @ 0.5",
                           "triattention @ 0.5",
                           "rkv @ 0.5"})
    benchmark::RegisterBenchmark(text, plan, text)
        ->Unit(benchmark::kMillisecond)
        ->MeasureProcessCPUTime()
        ->UseRealTime();
}

const bool registered = (register_all(), true);

}  // namespace
}  // namespace pith::recipe

BENCHMARK_MAIN();
