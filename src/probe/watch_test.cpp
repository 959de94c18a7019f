#include "probe/watch.h"

#include <gtest/gtest.h>

#include <numeric>

#include "support/tiny_model.h"

namespace pith::probe {
namespace {

constexpr Index kTokens = 40, kWindow = 16;

std::shared_ptr<Engine> tiny_engine(Index chunk) {
  static std::vector<std::unique_ptr<std::vector<std::byte>>> files;  // the engines look into them
  files.push_back(std::make_unique<std::vector<std::byte>>(test::tiny_model(
      {.architecture = "gemma3", .sliding_window = kWindow, .sliding_pattern = 2})));
  return Engine::from(gguf::File::parse(*files.back(), "tiny"),
                      {.threads = 2, .numerics = Numerics::exact, .prefill_chunk = chunk});
}

std::vector<Token> some_tokens(Index count) {
  std::vector<Token> tokens;
  for (Index i = 0; i < count; ++i) tokens.push_back(static_cast<Token>((i * 37 + 11) % 250));
  return tokens;
}

// Layer 0 has a window, layer 1 has none; lane 1 of it keeps every third token.
KeptSets every_third() {
  KeptSets kept(2, 2, kTokens);
  kept.windowed[0] = 1;
  for (Index t = 0; t < kTokens; t += 3) kept.keep(kept.lane(1, 1), t);
  return kept;
}

AttentionGraph pruned_graph(Index chunk) {
  const KeptSets kept = every_third();
  AttentionGraph graph(2, 2, kTokens);
  const PrunedGraph one{&kept, &graph};
  Context context(tiny_engine(chunk));
  PruningWatcher watcher(context, std::span(&one, 1), 0);
  context.read(some_tokens(kTokens), &watcher);
  return graph;
}

TEST(Watch, PrunedGraphsHaveWhatLanesKeep) {
  for (const Index chunk : {512, 13}) {
    const AttentionGraph graph = pruned_graph(chunk);
    for (Index i = 0; i < kTokens; ++i)
      for (Index j = 0; j < kTokens; ++j) {
        EXPECT_EQ(graph.has(0, 0, i, j), j <= i && j > i - kWindow) << i << " " << j;
        EXPECT_FALSE(graph.has(1, 0, i, j));
        EXPECT_EQ(graph.has(1, 1, i, j), j <= i && j % 3 == 0) << i << " " << j;
      }
  }
}

TEST(Watch, AllAttentionIsOnAllTokens) {
  Context context(tiny_engine(7));
  context.read(some_tokens(kTokens));
  std::vector<Index> all(kTokens + 10);
  std::iota(all.begin(), all.end(), 0);
  Context fork = context.fork();
  Watcher watcher(fork, 10, {.first = kTokens + 4, .targets = all});
  fork.read(some_tokens(10), &watcher);
  const Watched watched = watcher.finish();
  EXPECT_NEAR(watched.target_mass, 1, 1e-5);
  EXPECT_EQ(watched.summary_mass, 0);
  EXPECT_EQ(watched.consensus.size(), 2u);
  EXPECT_EQ(watched.queries[1].size(), 4u * 16u);
}

TEST(Watch, EdgesAreWeightsAboveEpsilon) {
  Context context(tiny_engine(512));
  context.read(some_tokens(kTokens));
  AttentionGraph all(2, 2, kTokens + 5), none(2, 2, kTokens + 5);
  Context a = context.fork(), b = context.fork();
  Watcher watch_all(a, 5, {.first = kTokens + 4, .targets = {}, .graph = &all}),
      watch_none(b, 5, {.first = kTokens + 4, .targets = {}, .graph = &none, .epsilon = 1});
  a.read(some_tokens(5), &watch_all);
  b.read(some_tokens(5), &watch_none);
  EXPECT_TRUE(all.has(1, 0, kTokens, 0));
  EXPECT_TRUE(all.has(1, 1, kTokens + 4, kTokens + 4));
  EXPECT_FALSE(all.has(1, 1, kTokens + 3, kTokens + 4));
  EXPECT_FALSE(none.has(1, 0, kTokens, 0));
}

}  // namespace
}  // namespace pith::probe
