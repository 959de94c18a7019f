// Small caches and random signals for the tests and benches of src/recipe. Not part of the library.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "base/rng.h"
#include "cache/cache.h"
#include "recipe/recipe.h"

namespace pith::recipe::testing {

struct World {
  cache::Cache cache;
  Signals signals;
};

struct WorldOptions {
  Index layers = 2, query_heads = 4, kv_heads = 2, head_dim = 8, tokens = 100;
  Index prefix = 6, question = 5, window = 64;
  std::vector<Index> windows = {};
  cache::Format format = cache::Format::bf16;
  std::uint64_t seed = 1;
};

inline std::vector<float> normal(Index n, Rng& rng) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& value : x) value = static_cast<float>(rng.normal());
  return x;
}

inline std::vector<float> positive(Index n, Rng& rng) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& value : x) value = static_cast<float>(rng.uniform());
  return x;
}

// A cache of random entries and every signal there is. Sentences begin every 11 tokens.
inline World make_world(const WorldOptions& options = {}) {
  const Index depth = options.head_dim, tokens = options.tokens;
  cache::Rotation rotation;
  std::vector<double> frequencies;
  for (Index i = 0; i < depth / 2; ++i)
    frequencies.push_back(
        std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(depth)));
  rotation.inverse_frequencies.assign(static_cast<std::size_t>(options.layers), frequencies);
  World world{cache::Cache({options.layers, options.kv_heads, depth, options.windows}, rotation,
                           options.format),
              {}};
  Rng rng(options.seed);
  Signals& signals = world.signals;
  signals.tokens = signals.next_position = tokens;
  signals.query_heads = options.query_heads;
  signals.attention_scale = 1 / std::sqrt(static_cast<float>(depth));
  signals.prefix_tokens = std::min(options.prefix, tokens);
  signals.window = std::min(options.window, tokens);
  signals.question_tokens = options.question;
  for (Index t = 0; t < tokens; t += 11)
    signals.sentence_starts.push_back(static_cast<std::int32_t>(t));
  signals.local_attention = {{.chunk = 256}, {.chunk = 256, .first = 8, .last = 4}};
  const Index heads = options.query_heads;
  for (Index layer = 0; layer < options.layers; ++layer) {
    world.cache.append(layer, normal(tokens * options.kv_heads * depth, rng),
                       normal(tokens * options.kv_heads * depth, rng), 0, 0);
    LayerSignals own{
        .window_queries = normal(heads * signals.window * depth, rng),
        .query_mean = normal(heads * depth, rng),
        .query_covariance = std::vector<float>(static_cast<std::size_t>(heads * depth * depth)),
        .attention_sum = positive(heads * tokens, rng),
        .attention_max = positive(heads * tokens, rng),
        .replay = positive(options.kv_heads * tokens, rng),
        .replay_plus = positive(options.kv_heads * tokens, rng),
        .question_queries = normal(heads * options.question * depth, rng),
        .local_attention = {positive(heads * tokens, rng), positive(heads * tokens, rng)},
        .query_magnitude = std::vector<float>(static_cast<std::size_t>(heads * depth / 2), 2.0f),
        .rotated_moment =
            std::vector<float>(static_cast<std::size_t>(options.kv_heads * depth * depth)),
        .question_keys = normal(options.kv_heads * options.question * depth, rng),
        .echo = positive(options.kv_heads * tokens, rng),
        .echo_plus = positive(options.kv_heads * tokens, rng),
        .second_pass = positive(heads * tokens, rng),
        .query_filters = normal(options.kv_heads * depth, rng),
        .kvzap = normal(options.kv_heads * tokens, rng)};
    own.projected_values = positive(options.kv_heads * tokens, rng);
    for (Index h = 0; h < heads; ++h)
      for (Index i = 0; i < depth; ++i) own.query_covariance[(h * depth + i) * depth + i] = 0.5f;
    for (Index h = 0; h < options.kv_heads; ++h)
      for (Index i = 0; i < depth; ++i)
        own.rotated_moment[(h * depth + i) * depth + i] = static_cast<float>(1 + i);
    signals.layers.push_back(std::move(own));
  }
  signals.surprisal = positive(tokens, rng);
  for (Index t = 0; t < tokens; ++t) signals.structure.push_back(t % 7 == 0 ? 15 : 0);
  return world;
}

// A small world with a lane of as many tokens for each row of `scores`.
inline World world_for(const std::vector<std::vector<float>>& scores, Index kv_heads) {
  return make_world({.layers = std::ssize(scores) / kv_heads,
                     .query_heads = kv_heads,
                     .kv_heads = kv_heads,
                     .head_dim = 2,
                     .tokens = std::ssize(scores[0]),
                     .prefix = 0,
                     .format = cache::Format::f32});
}

// A world whose kvzip scores are `scores` ([lanes][n]), all else being equal.
inline World scored(const std::vector<std::vector<float>>& scores, Index kv_heads = 1) {
  World world = world_for(scores, kv_heads);
  const Index tokens = world.signals.tokens;
  for (Index layer = 0; layer < std::ssize(world.signals.layers); ++layer) {
    LayerSignals& own = world.signals.layers[layer];
    own.replay.clear();
    for (Index head = 0; head < kv_heads; ++head)
      own.replay.insert(own.replay.end(), scores[layer * kv_heads + head].begin(),
                        scores[layer * kv_heads + head].end());
    own.projected_values.assign(own.replay.size(), 1.0f);
  }
  world.signals.surprisal.assign(static_cast<std::size_t>(tokens), 1.0f);
  world.signals.structure.assign(static_cast<std::size_t>(tokens), 0);
  return world;
}

}  // namespace pith::recipe::testing
