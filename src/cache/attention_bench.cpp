#include "cache/attention.h"

#include <benchmark/benchmark.h>

#include <cmath>

#include "cache/cache_test_support.h"

namespace pith::cache {
namespace {

// Args: D, G, Hkv, T, n (the T queries included), threads, tap, format.
struct Bench {
  Index dim, group, heads, tokens, entries;
  int threads;
  bool tap;
  Format format;

  explicit Bench(const benchmark::State& state)
      : dim(state.range(0)),
        group(state.range(1)),
        heads(state.range(2)),
        tokens(state.range(3)),
        entries(state.range(4)),
        threads(static_cast<int>(state.range(5))),
        tap(state.range(6)),
        format(static_cast<Format>(state.range(7))) {}
};

// Sums what entries receive: about the cheapest thing that a tap can do.
struct SumTap : AttentionTap {
  std::vector<std::vector<float>> sums;
  void observe(const WeightBlock& block) override {
    auto& sum = sums[static_cast<std::size_t>(block.thread)];
    for (Index r = 0; r < block.queries * block.group; ++r)
      for (Index j = 0; j < block.entries; ++j)
        sum[static_cast<std::size_t>(j)] += block.weights[r * block.stride + j];
  }
};

void run(benchmark::State& state) {
  const Bench b(state);
  // Several layers, attended in turn, so that keys and values come from memory as in a model.
  const Index layers =
      std::getenv("HOT") ? 1
      : b.tokens == 1 ? std::max<Index>(2, (Index{128} << 20) / (b.entries * b.heads * b.dim * 4))
                      : 2;
  Cache cache({.layers = layers, .kv_heads = b.heads, .head_dim = b.dim}, {}, b.format);
  Rng rng(1);
  const auto rows = testing::random_floats(512 * b.heads * b.dim, rng);
  for (Index n = 0; n < b.entries; n += 512)
    for (Index layer = 0; layer < layers; ++layer) cache.append(layer, rows, rows, n, n);
  const auto queries = testing::random_floats(b.tokens * b.heads * b.group * b.dim, rng);
  std::vector<float> out(queries.size());
  ThreadPool pool(b.threads);
  SumTap tap;
  tap.sums.resize(static_cast<std::size_t>(b.threads),
                  std::vector<float>(static_cast<std::size_t>(b.entries)));
  const AttentionJob job{.cache = &cache,
                         .queries = queries,
                         .out = out,
                         .tokens = b.tokens,
                         .first_position = b.entries - b.tokens,
                         .tap = b.tap ? &tap : nullptr};
  AttentionOptions options{.query_heads = b.heads * b.group,
                           .scale = 1 / std::sqrt(static_cast<float>(b.dim))};
  for (auto _ : state) {
    attend(options, {&job, 1}, pool);
    options.layer = (options.layer + 1) % layers;
  }
  const double element = b.format == Format::bf16 ? 2 : 4;
  const double kv = static_cast<double>(b.entries * b.heads * b.dim) * 2 * element;
  const double seen = static_cast<double>(b.tokens) *
                      (static_cast<double>(b.entries) - static_cast<double>(b.tokens - 1) / 2);
  const double flop = 4.0 * static_cast<double>(b.dim * b.heads * b.group) * seen;
  state.counters["GB/s"] =
      benchmark::Counter(kv * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["GFLOP/s"] =
      benchmark::Counter(flop * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

void shapes(benchmark::internal::Benchmark* bench) {
  struct Heads {
    Index dim, group, kv;
  };
  for (Heads h : {Heads{64, 7, 2}, Heads{128, 6, 2}, Heads{128, 4, 8}})
    for (int threads : {1, 2})
      for (Index n : {1024, 4096, 16384}) bench->Args({h.dim, h.group, h.kv, 1, n, threads, 0, 0});
  for (Heads h : {Heads{64, 7, 2}, Heads{128, 6, 2}, Heads{256, 4, 1}})
    for (int format : {0, 1})
      for (int tap : {0, 1}) bench->Args({h.dim, h.group, h.kv, 512, 4096, 2, tap, format});
  for (int threads : {1, 2}) bench->Args({64, 7, 2, 512, 16384, threads, 0, 0});
  bench->Args({64, 7, 2, 512, 16384, 2, 1, 0})->Args({64, 7, 2, 16, 4096, 2, 0, 0});
  bench->ArgNames({"D", "G", "Hkv", "T", "n", "threads", "tap", "f32"})
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

BENCHMARK(run)->Name("attend")->Apply(shapes);

}  // namespace
}  // namespace pith::cache

BENCHMARK_MAIN();
