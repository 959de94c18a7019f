#include "cache/attention.h"

#include <benchmark/benchmark.h>

#include <cmath>

#include "cache/cache_test_support.h"

namespace pith::cache {
namespace {

enum class Tap { none, look, sum };

struct Bench {
  Index dim, group, heads, tokens, entries;
  int threads;
  Tap tap;
  Format format;

  explicit Bench(const benchmark::State& state)
      : dim(state.range(0)),
        group(state.range(1)),
        heads(state.range(2)),
        tokens(state.range(3)),
        entries(state.range(4)),
        threads(static_cast<int>(state.range(5))),
        tap(static_cast<Tap>(state.range(6))),
        format(static_cast<Format>(state.range(7))) {}

  // Decode: so many layers, attended in turn, that keys and values come from memory as in a model;
  // short lanes: from the caches.
  Index layers() const {
    const Index layer_bytes = entries * heads * dim * 2 * traits(format).bits / 8;
    return tokens > 1 || entries <= 1024 ? 1 : std::max<Index>(2, (Index{64} << 20) / layer_bytes);
  }
};

// Looks at nothing, or sums what entries receive: about the cheapest thing that a tap can do.
struct BenchTap : AttentionTap {
  bool sums = false;
  std::vector<std::vector<float>> received;
  void observe(const WeightBlock& block) override {
    auto& sum = received[static_cast<std::size_t>(block.thread)];
    for (Index r = 0; sums && r < block.queries * block.group; ++r)
      for (Index j = 0; j < block.entries; ++j)
        sum[static_cast<std::size_t>(j)] += block.weights[r * block.stride + j];
  }
};

void run(benchmark::State& state) {
  const Bench b(state);
  Cache cache({.layers = b.layers(), .kv_heads = b.heads, .head_dim = b.dim}, {},
              traits(b.format).packed ? Format::bf16 : b.format);
  Rng rng(1);
  const auto rows = testing::random_floats(512 * b.heads * b.dim, rng);
  for (Index n = 0; n < b.entries; n += 512)
    for (Index layer = 0; layer < b.layers(); ++layer) cache.append(layer, rows, rows, n, n);
  if (traits(b.format).packed) {
    Plan plan = testing::identity(cache);
    for (LanePlan& lane : plan.lanes) lane.format = b.format;
    cache.apply(plan);
  }
  const auto queries = testing::random_floats(b.tokens * b.heads * b.group * b.dim, rng);
  std::vector<float> out(queries.size());
  ThreadPool pool(b.threads);
  BenchTap tap;
  tap.sums = b.tap == Tap::sum;
  tap.received.resize(static_cast<std::size_t>(b.threads),
                      std::vector<float>(static_cast<std::size_t>(b.entries)));
  const AttentionJob job{.cache = &cache,
                         .queries = queries,
                         .out = out,
                         .tokens = b.tokens,
                         .first_position = b.entries - b.tokens,
                         .tap = b.tap == Tap::none ? nullptr : &tap};
  AttentionOptions options{.query_heads = b.heads * b.group,
                           .scale = 1 / std::sqrt(static_cast<float>(b.dim))};
  for (auto _ : state) {
    attend(options, {&job, 1}, pool);
    options.layer = (options.layer + 1) % b.layers();
  }
  const double kv =
      static_cast<double>(b.entries * b.heads * b.dim * 2 * traits(b.format).bits / 8);
  const double seen = static_cast<double>(b.tokens) *
                      (static_cast<double>(b.entries) - static_cast<double>(b.tokens - 1) / 2);
  const double flop = 4.0 * static_cast<double>(b.dim * b.heads * b.group) * seen;
  state.counters["GB/s"] = {kv * 1e-9, benchmark::Counter::kIsIterationInvariantRate};
  state.counters["GFLOP/s"] = {flop * 1e-9, benchmark::Counter::kIsIterationInvariantRate};
}

void append(benchmark::State& state) {
  const Index tokens = state.range(0), heads = 2, dim = 128;
  Rng rng(1);
  const auto rows = testing::random_floats(tokens * heads * dim, rng);
  for (auto _ : state) {
    Cache cache({.layers = 1, .kv_heads = heads, .head_dim = dim}, {});
    for (Index n = 0; n < 4096; n += tokens) cache.append(0, rows, rows, n, n);
  }
  state.SetItemsProcessed(state.iterations() * 4096);
}

struct Heads {
  Index dim, group, kv;
};
constexpr Heads kModels[] = {{64, 7, 2}, {128, 6, 2}, {128, 4, 8}, {256, 4, 1}};

void decode(benchmark::internal::Benchmark* bench) {
  for (Heads h : kModels)
    for (int threads : {1, 2})
      for (Index n : {1024, 16384}) bench->Args({h.dim, h.group, h.kv, 1, n, threads, 0, 0});
  for (Heads h : kModels)
    for (int format = 2; format <= static_cast<int>(kLastFormat); ++format)
      bench->Args({h.dim, h.group, h.kv, 1, 16384, 2, 0, format});
}

void prefill(benchmark::internal::Benchmark* bench) {
  for (Heads h : kModels)
    for (int format : {0, 1})
      for (int threads : {1, 2}) bench->Args({h.dim, h.group, h.kv, 512, 4096, threads, 0, format});
  for (Index n : {4096, 16384})
    for (int tap : {0, 1, 2}) bench->Args({64, 7, 2, 256, n, 1, tap, 0});
  for (Index tokens : {16, 64}) bench->Args({64, 7, 2, tokens, 4096, 1, 0, 0});
}

// Process time beside wall time: on a shared machine it is the steadier of the two.
const std::vector<std::string> kArgs = {"D", "G", "Hkv", "T", "n", "threads", "tap", "format"};
BENCHMARK(run)
    ->Name("decode")
    ->Apply(decode)
    ->ArgNames(kArgs)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(run)
    ->Name("prefill")
    ->Apply(prefill)
    ->ArgNames(kArgs)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(append)->Arg(1)->Arg(512)->ArgName("T");

}  // namespace
}  // namespace pith::cache

BENCHMARK_MAIN();
