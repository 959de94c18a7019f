// The models and contexts of the golden vectors (tests/golden/presses), for the tests of src/recipe
// that compare with kvpress. Not part of the library.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "recipe/local_attention.h"
#include "recipe/recipe.h"
#include "recipe/stage.h"
#include "support/golden.h"
#include "support/npz.h"

namespace pith::recipe::golden {

using pith::test::Array;
using pith::test::Npz;

inline std::filesystem::path file_of(const std::string& name) {
  return test::golden_path("presses/" + name + ".npz");
}

// A model's context: a cache of all its layers, of which those in `layers` hold real entries, and
// the signals that its prefill would have collected there.
struct Context {
  std::string model;
  cache::Cache cache;
  Signals signals;
  std::vector<Index> layers;        // with real keys and values
  std::vector<Index> query_layers;  // with real queries
};

inline void rotate(float* x, Index depth, double position, const std::vector<double>& frequencies) {
  for (Index i = 0; i < depth / 2; ++i) {
    const double c = std::cos(position * frequencies[i]), s = std::sin(position * frequencies[i]);
    const double a = x[i], b = x[i + depth / 2];
    x[i] = static_cast<float>(a * c - b * s);
    x[i + depth / 2] = static_cast<float>(b * c + a * s);
  }
}

// The kinds of attention inside chunks that the golden files were made with.
inline const std::vector<LocalAttention> kLocal = {
    {.chunk = 256, .kvpress = true},
    {.chunk = 64, .kvpress = true},
    {.chunk = 256, .first = 8, .last = 4, .kvpress = true}};

// Column sums of every kind for one query head.
inline void collect_local(const Signals& all, std::span<const float> queries, const float* keys,
                          Index head, Index depth, LayerSignals& out) {
  for (std::size_t k = 0; k < kLocal.size(); ++k)
    for (Index first = kLocal[k].first; first < all.tokens - kLocal[k].last;
         first += kLocal[k].chunk) {
      const Index n = std::min(kLocal[k].chunk, all.tokens - kLocal[k].last - first);
      local_attention_columns(
          queries.subspan(static_cast<std::size_t>(first * depth),
                          static_cast<std::size_t>(n * depth)),
          local_panels({keys + first * depth, static_cast<std::size_t>(n * depth)}, depth,
                       local_padding(kLocal[k], n)),
          depth, local_scale(kLocal[k], all.attention_scale), local_padding(kLocal[k], n),
          std::span(out.local_attention[k])
              .subspan(static_cast<std::size_t>(head * all.tokens + first),
                       static_cast<std::size_t>(n)));
    }
}

// Fills the signals of one layer from its unrotated queries [Hq, T, D] and keys [Hkv, T, D].
inline void collect(const Signals& all, const float* queries, const float* keys, Index heads,
                    Index depth, const std::vector<double>& frequencies, LayerSignals& out) {
  const Index tokens = all.tokens, group = all.query_heads / heads, skip = 4;
  for (Index h = 0; h < all.query_heads; ++h) {
    const float* q = queries + h * tokens * depth;
    const Index counted = tokens - skip;
    for (Index i = 0; i < depth; ++i) {
      double sum = 0;
      for (Index t = skip; t < tokens; ++t) sum += q[t * depth + i];
      out.query_mean[h * depth + i] = static_cast<float>(sum / static_cast<double>(counted));
    }
    const float* mean = &out.query_mean[h * depth];
    for (Index i = 0; i < depth; ++i)
      for (Index j = 0; j < depth; ++j) {
        double sum = 0;
        for (Index t = skip; t < tokens; ++t)
          sum += (double{q[t * depth + i]} - mean[i]) * (double{q[t * depth + j]} - mean[j]);
        out.query_covariance[(h * depth + i) * depth + j] =
            static_cast<float>(sum / static_cast<double>(counted));
      }
    std::vector<double> weight(static_cast<std::size_t>(tokens));
    std::vector<float> all_rotated;
    for (Index t = 0; t < tokens; ++t) {
      std::vector<float> rotated(q + t * depth, q + (t + 1) * depth);
      rotate(rotated.data(), depth, static_cast<double>(t), frequencies);
      all_rotated.insert(all_rotated.end(), rotated.begin(), rotated.end());
      if (t >= tokens - all.window)
        std::copy(rotated.begin(), rotated.end(),
                  &out.window_queries[(h * all.window + t - tokens + all.window) * depth]);
      double total = 0;
      for (Index j = 0; j <= t; ++j) {
        double logit = 0;
        for (Index i = 0; i < depth; ++i)
          logit += double{rotated[i]} * keys[((h / group) * tokens + j) * depth + i];
        weight[j] = std::exp(logit * double{all.attention_scale});
        total += weight[j];
      }
      for (Index j = 0; j <= t; ++j) {
        float& most = out.attention_max[h * tokens + j];
        out.attention_sum[h * tokens + j] += static_cast<float>(weight[j] / total);
        most = std::max(most, static_cast<float>(weight[j] / total));
      }
    }
    collect_local(all, all_rotated, keys + h / group * tokens * depth, h, depth, out);
  }
}

inline Context load(const std::string& model, Index layer_count) {
  const Npz npz = Npz::open(file_of(model + "__context"));
  const Array &keys = npz.at("keys_post_rope"), &values = npz.at("values"),
              &queries = npz.at("queries_pre_rope");
  const Index heads = keys.shape[1], tokens = keys.shape[2], depth = keys.shape[3];
  std::vector<double> frequencies(npz.at("inv_freq").data.begin(), npz.at("inv_freq").data.end());
  cache::Rotation rotation;
  rotation.inverse_frequencies.assign(static_cast<std::size_t>(layer_count), frequencies);
  Context context{model,
                  cache::Cache({layer_count, heads, depth, {}}, rotation, cache::Format::f32),
                  {},
                  {},
                  {}};
  Signals& signals = context.signals;
  signals.tokens = signals.next_position = tokens;
  signals.query_heads = queries.shape[1];
  signals.attention_scale = 1 / std::sqrt(static_cast<float>(depth));
  signals.prefix_tokens = npz.at("prefix_ids").size();
  signals.window = 64;
  signals.local_attention = kLocal;
  const auto zeros = [](Index n) { return std::vector<float>(static_cast<std::size_t>(n)); };
  const Index query_heads = signals.query_heads;
  for (Index layer = 0; layer < layer_count; ++layer)
    signals.layers.push_back({.window_queries = zeros(query_heads * signals.window * depth),
                              .query_mean = zeros(query_heads * depth),
                              .query_covariance = zeros(query_heads * depth * depth),
                              .attention_sum = zeros(query_heads * tokens),
                              .attention_max = zeros(query_heads * tokens),
                              .replay = zeros(heads * tokens),
                              .replay_plus = zeros(heads * tokens),
                              .question_queries = {},
                              .local_attention = std::vector<std::vector<float>>(
                                  kLocal.size(), zeros(query_heads * tokens))});
  for (float l : npz.at("layers").data) context.layers.push_back(static_cast<Index>(l));
  for (float l : npz.at("queries_layers").data)
    context.query_layers.push_back(static_cast<Index>(l));
  for (Index layer = 0; layer < layer_count; ++layer) {
    std::vector<float> k = zeros(tokens * heads * depth), v = k;
    const auto found = std::find(context.layers.begin(), context.layers.end(), layer);
    if (found != context.layers.end()) {
      const Index s = found - context.layers.begin();
      for (Index h = 0; h < heads; ++h)
        for (Index t = 0; t < tokens; ++t)
          for (Index i = 0; i < depth; ++i) {
            const Index from = ((s * heads + h) * tokens + t) * depth + i;
            k[(t * heads + h) * depth + i] = keys.data[from];
            v[(t * heads + h) * depth + i] = values.data[from];
          }
    }
    context.cache.append(layer, k, v, 0, 0);
  }
  for (std::size_t s = 0; s < context.query_layers.size(); ++s) {
    const Index layer = context.query_layers[s];
    const Index slot =
        std::find(context.layers.begin(), context.layers.end(), layer) - context.layers.begin();
    collect(signals, &queries.data[static_cast<Index>(s) * query_heads * tokens * depth],
            &keys.data[slot * heads * tokens * depth], heads, depth, frequencies,
            signals.layers[layer]);
  }
  return context;
}

inline Context& context(const std::string& model) {
  static std::map<std::string, Context> contexts;
  if (!contexts.contains(model)) contexts.emplace(model, load(model, model == "smollm2" ? 30 : 24));
  return contexts.at(model);
}

inline Stage one_stage(const std::string& recipe) { return read_stages(recipe).at(0); }

// Entries kept by one side only must have the same score up to `tolerance`: they are ties.
inline void expect_same_set(const std::set<Index>& mine, const std::set<Index>& theirs,
                            const std::vector<float>& scores, float tolerance,
                            const std::string& where) {
  std::vector<Index> only_mine, only_theirs;
  std::set_difference(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                      std::back_inserter(only_mine));
  std::set_difference(theirs.begin(), theirs.end(), mine.begin(), mine.end(),
                      std::back_inserter(only_theirs));
  EXPECT_EQ(only_mine.size(), only_theirs.size()) << where;
  for (Index a : only_mine)
    for (Index b : only_theirs)
      if (scores.empty() || std::abs(scores[a] - scores[b]) > tolerance) {
        ADD_FAILURE() << where << ": entry " << a << " instead of " << b << ", and "
                      << only_mine.size() << " differences in all";
        return;
      }
}

}  // namespace pith::recipe::golden
