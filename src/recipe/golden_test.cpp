// Scores and kept sets against what kvpress computed on real models (tests/golden/presses).

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "recipe/local_attention.h"
#include "recipe/parts/compactor.h"
#include "recipe/planner.h"
#include "recipe/recipe.h"
#include "recipe/select.h"
#include "support/npz.h"

namespace pith::recipe {
namespace {

using pith::testing::Array;
using pith::testing::Npz;

std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(PITH_SOURCE_DIR) / "tests/golden/presses" / (name + ".npz");
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

void rotate(float* x, Index depth, double position, const std::vector<double>& frequencies) {
  for (Index i = 0; i < depth / 2; ++i) {
    const double c = std::cos(position * frequencies[i]), s = std::sin(position * frequencies[i]);
    const double a = x[i], b = x[i + depth / 2];
    x[i] = static_cast<float>(a * c - b * s);
    x[i + depth / 2] = static_cast<float>(b * c + a * s);
  }
}

// The kinds of attention inside chunks that the golden files were made with.
const std::vector<LocalAttention> kLocal = {{.chunk = 256, .kvpress = true},
                                            {.chunk = 64, .kvpress = true},
                                            {.chunk = 256, .first = 8, .last = 4, .kvpress = true}};

// Column sums of every kind for one query head.
void collect_local(const Signals& all, std::span<const float> queries, const float* keys,
                   Index head, Index depth, LayerSignals& out) {
  for (std::size_t k = 0; k < kLocal.size(); ++k)
    for (Index first = kLocal[k].first; first < all.tokens - kLocal[k].last;
         first += kLocal[k].chunk) {
      const Index n = std::min(kLocal[k].chunk, all.tokens - kLocal[k].last - first);
      local_attention_columns(queries.subspan(static_cast<std::size_t>(first * depth),
                                              static_cast<std::size_t>(n * depth)),
                              {keys + first * depth, static_cast<std::size_t>(n * depth)}, depth,
                              local_scale(kLocal[k], all.attention_scale),
                              local_padding(kLocal[k], n),
                              std::span(out.local_attention[k])
                                  .subspan(static_cast<std::size_t>(head * all.tokens + first),
                                           static_cast<std::size_t>(n)));
    }
}

// Fills the signals of one layer from its unrotated queries [Hq, T, D] and keys [Hkv, T, D].
void collect(const Signals& all, const float* queries, const float* keys, Index heads, Index depth,
             const std::vector<double>& frequencies, LayerSignals& out) {
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

Context load(const std::string& model, Index layer_count) {
  const Npz npz = Npz::open(golden(model + "__context"));
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

Context& context(const std::string& model) {
  static std::map<std::string, Context> contexts;
  if (!contexts.contains(model)) contexts.emplace(model, load(model, model == "smollm2" ? 30 : 24));
  return contexts.at(model);
}

Stage one_stage(const std::string& recipe) { return read_stages(recipe).at(0); }

// Entries kept by one side only must have the same score up to `tolerance`: they are ties.
void expect_same_set(const std::set<Index>& mine, const std::set<Index>& theirs,
                     const std::vector<float>& scores, float tolerance, const std::string& where) {
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

struct Case {
  std::string file;  // without the model's name
  std::string recipe;
  bool scores = true;      // compare them too
  bool keys_only = false;  // no queries needed: all three layers of either model
  float kept = 0;          // the golden score of protected entries; 0: the maximum plus 1
};

// Golden scores of protected entries are the layer's maximum plus 1. AdaKV overwrites those that it
// safeguards by FLT_MAX, the maximum among them: these are left out.
float compare_scores(const Array& golden_scores, Index slot, Index heads, Index tokens,
                     const Scores& mine, Index layer, float kept, const std::string& where) {
  float highest = -1e30f, lowest = 1e30f, worst = 0;
  bool overwritten = false;
  const auto each = [&](auto&& body) {
    for (Index h = 0; h < heads; ++h)
      for (Index j = 0; j < tokens; ++j)
        body(mine.lanes[layer * heads + h][j],
             golden_scores.data[((slot * heads) + h) * tokens + j]);
  };
  each([&](float s, float expected) {
    overwritten |= expected > 1e30f;
    if (s >= kForced || expected > 1e30f) return;
    highest = std::max(highest, expected);
    lowest = std::min(lowest, expected);
  });
  const float scale = std::max(std::abs(highest), std::abs(lowest));
  each([&](float s, float expected) {
    if (s < kForced && expected < 1e30f)
      worst = std::max(worst, std::abs(s - expected) / scale);
    else if (!overwritten && kept > 0)
      worst = std::max(worst, std::abs(kept - expected));
    else if (!overwritten)
      worst = std::max(worst, std::abs(highest + 1 - expected) / (highest + 1));
  });
  EXPECT_LT(worst, 1e-5f) << where << " layer " << layer;
  return scale;
}

void run(const std::string& model, const Case& test) {
  const std::string where = model + " " + test.file + " with \"" + test.recipe + "\"";
  SCOPED_TRACE(where);
  Context& real = context(model);
  const Npz npz = Npz::open(golden(model + "__" + test.file));
  const Array& mask = npz.at("kept_mask");
  const Index heads = mask.shape[1], tokens = mask.shape[2];
  const Stage stage = one_stage(test.recipe);
  const cache::Plan plan = make_plan(stage, real.cache, real.signals, nullptr);
  Scores mine;
  if (test.scores) {
    Stage scorer_alone = stage;
    scorer_alone.adjusters.clear();
    Scene scene(real.cache, real.signals, nullptr);
    mine = score(scorer_alone, scene);
  }
  for (Index layer : test.keys_only ? real.layers : real.query_layers) {
    const Index slot =
        std::find(real.layers.begin(), real.layers.end(), layer) - real.layers.begin();
    float scale = 0;
    if (test.scores)
      scale = compare_scores(npz.at("scores"), slot, heads, tokens, mine, layer, test.kept, where);
    // One set per layer, so that entries which heads compete for may tie as well.
    std::set<Index> kept_by_us, kept_by_them;
    std::vector<float> scores;
    for (Index h = 0; h < heads; ++h) {
      const auto& keep = plan.lanes[layer * heads + h].keep;
      for (std::int32_t j : keep) kept_by_us.insert(h * tokens + j);
      Index count = 0;
      for (Index j = 0; j < tokens; ++j) {
        if (mask.data[(layer * heads + h) * tokens + j] == 0) continue;
        kept_by_them.insert(h * tokens + j);
        ++count;
      }
      EXPECT_EQ(std::ssize(keep), count) << where << " layer " << layer << " head " << h;
    }
    if (npz.has("scores")) {
      const auto* first = &npz.at("scores").data[slot * heads * tokens];
      scores.assign(first, first + heads * tokens);
    }
    expect_same_set(kept_by_us, kept_by_them, scores, 1e-5f * scale,
                    where + " layer " + std::to_string(layer));
  }
}

TEST(Golden, OnePassPressesOfBothModels) {
  const std::vector<Case> both = {
      {"streaming_llm_r50", "streaming_llm @ 0.5", false, true},
      {"streaming_llm_r80", "streaming_llm @ 0.8", false, true},
      {"knorm_r50", "knorm @ 0.5", true, true},
      {"knorm_r80", "knorm @ 0.8", true, true},
      {"keydiff_r50", "keydiff @ 0.5", true, true},
      {"keydiff_r80", "keydiff @ 0.8", true, true},
      {"tova_r50", "tova @ 0.5"},
      {"tova_r80", "tova @ 0.8"},
      {"observed_attention_r50", "observed_attention @ 0.5"},
      {"observed_attention_r80", "observed_attention @ 0.8"},
      {"snapkv_w16_k5_r50", "snapkv(window=16) @ 0.5"},
      {"snapkv_w16_k5_r80", "snapkv(window=16) @ 0.8"},
      {"snapkv_w64_k5_r50", "snapkv @ 0.5"},
      {"pyramidkv_w64_k5_b20_r50", "pyramidkv(quirk=kvpress) @ 0.5"},
      {"expected_attention_r50", "expected_attention @ 0.5"},
      {"expected_attention_r80", "expected_attention @ 0.8"},
      {"expected_attention_nocov_r50", "expected_attention(cov=false) @ 0.5"},
      {"chunkkv_snapkv_c20_r50", "chunkkv(window=16, quirk=kvpress) @ 0.5"},
      {"chunkkv_snapkv_c20_r80", "chunkkv(window=16, quirk=kvpress) @ 0.8"},
      {"adakv_expected_attention_r50", "adakv_expected_attention @ 0.5"},
      {"adakv_expected_attention_r80", "adakv_expected_attention @ 0.8"},
      {"adakv_snapkv_r50", "adakv_snapkv(window=16) @ 0.5"},
      {"lagkv_lag32_r50", "lagkv(lag=32) @ 0.5", true, true, 1},
      {"lagkv_lag32_r80", "lagkv(lag=32) @ 0.8", true, true, 1},
      {"cur_r50", "cur @ 0.5", true, true, 1},
      {"cur_r80", "cur @ 0.8", true, true, 1},
      {"non_causal_attention_r50", "non_causal_attention(quirk=kvpress) @ 0.5"},
      {"non_causal_attention_r80", "non_causal_attention(quirk=kvpress) @ 0.8"},
  };
  for (const Case& test : both)
    for (const char* model : {"smollm2", "qwen05"}) run(model, test);
}

TEST(Golden, OnePassPressesOfSmolLM2) {
  const std::vector<Case> cases = {
      {"tova_eager_r50", "tova @ 0.5"},
      {"snapkv_w16_k5_eager_r50", "snapkv(window=16) @ 0.5"},
      {"snapkv_w64_k5_r80", "snapkv(quirk=kvpress) @ 0.8"},
      {"pyramidkv_w64_k5_b20_r80", "pyramidkv(quirk=kvpress) @ 0.8"},
      {"pyramidkv_w8_k5_b4_r50", "pyramidkv(window=8, beta=4, quirk=kvpress) @ 0.5"},
      {"pyramidkv_w8_k5_b4_r80", "pyramidkv(window=8, beta=4, quirk=kvpress) @ 0.8"},
      {"expected_attention_eps1e-2_r50", "expected_attention(epsilon=1e-2) @ 0.5"},
      {"expected_attention_future64_r50", "expected_attention(n_future=64) @ 0.5"},
      {"expected_attention_novnorm_eps_r50", "expected_attention(vnorm=false) @ 0.5"},
      {"chunkkv_expected_attention_c8_r50",
       "expected_attention + chunk_mean(8, quirk=kvpress) @ 0.5"},
      {"adakv_alpha0_expected_attention_r50", "expected_attention + adakv(floor=0) @ 0.5"},
      {"adakv_knorm_r50", "adakv_knorm @ 0.5", true, true},
      {"adakv_snapkv_r80", "adakv_snapkv(window=16) @ 0.8"},
      {"chunk_expected_attention_c1024_r50", "chunk_expected_attention @ 0.5"},
      {"chunk_knorm_c64_r80", "knorm + chunked(64) @ 0.8", false, true},
      {"lagkv_lag128_r50", "lagkv(quirk=kvpress) @ 0.5", true, true, 1},
      {"lagkv_lag32_cross_r50", "lagkv(lag=32, cross=true) @ 0.5", true, true, 1},
      {"cur_key_r50", "cur(key) @ 0.5", true, true, 1},
      {"cur_value_r50", "cur(value) @ 0.5", true, true, 1},
      {"cur_kv_avg_r50", "cur(kv_avg) @ 0.5", true, true, 1},
      {"cur_nolocal_r50", "cur(window=0) @ 0.5", true, true, 1},
      {"non_causal_attention_c64_r50", "non_causal(chunk=64, quirk=kvpress) @ 0.5"},
      {"dms_knorm_w32_t-12", "knorm + pins(sinks=0, recent=32) + threshold(-12)", true, true},
      {"simlayerkv_t05", "simlayer(recent=48, quirk=kvpress) + threshold(-0.5)", false},
      {"simlayerkv_t09", "simlayer(recent=48, quirk=kvpress) + threshold(-0.9)", false},
      {"capkv_r50", "capkv @ 0.5"},
      {"capkv_r80", "capkv @ 0.8"},
  };
  for (const Case& test : cases) run("smollm2", test);
}

// leverage and compactor with torch's random projections. kvpress inverts its Gram matrix in f32:
// scores carry 2e-4 of noise.
TEST(Golden, LeverageAndCompactorKeepTheSameEntries) {
  const auto check = [](const std::string& model, const std::string& file, double removed,
                        bool both) {
    SCOPED_TRACE(model + " " + file);
    Context& real = context(model);
    const Npz npz = Npz::open(golden(model + "__" + file));
    const Array &expected = npz.at("scores"), &mask = npz.at("kept_mask"),
                &draws = npz.at("sketch");
    const Index heads = mask.shape[1], tokens = mask.shape[2], size = draws.shape[3];
    const Index sketch_size = heads * draws.shape[2] * size;
    Scene scene(real.cache, real.signals, nullptr);
    for (Index layer : both ? real.query_layers : real.layers) {
      const Index slot =
          std::find(real.layers.begin(), real.layers.end(), layer) - real.layers.begin();
      std::vector<float> sketch(draws.data.begin() + slot * sketch_size,
                                draws.data.begin() + (slot + 1) * sketch_size);
      for (float& x : sketch) x /= std::sqrt(static_cast<float>(size));
      std::vector<std::vector<float>> mine(static_cast<std::size_t>(heads),
                                           std::vector<float>(static_cast<std::size_t>(tokens)));
      if (both)
        score_compactor(scene, layer, kLocal[2], sketch, static_cast<float>(removed), mine);
      else
        score_leverage(scene, layer, {}, sketch, mine);
      const float* theirs = &expected.data[slot * heads * tokens];
      const float scale = *std::max_element(theirs, theirs + heads * tokens);
      for (Index h = 0; h < heads; ++h) {
        std::set<Index> kept;
        for (Index j = 0; j < tokens; ++j) {
          if (mine[h][j] < kForced) {
            EXPECT_NEAR(mine[h][j], theirs[h * tokens + j], 1e-3f * scale);
          } else {
            EXPECT_EQ(theirs[h * tokens + j], scale);
          }
          if (mask.data[(layer * heads + h) * tokens + j] != 0) kept.insert(j);
        }
        const auto best = best_entries(mine[h], kept_of(tokens, removed));
        expect_same_set({best.begin(), best.end()}, kept, mine[h], 1e-3f * scale,
                        "layer " + std::to_string(layer));
      }
    }
  };
  for (const char* model : {"smollm2", "qwen05"}) {
    check(model, "leverage_score_r50", 0.5, false);
    check(model, "compactor_r50", 0.5, true);
    check(model, "compactor_r80", 0.8, true);
  }
}

// Stored scores, our choice: for scores that cannot be recomputed (torch's random numbers) or that
// kvpress computed chunk by chunk, out of position.
TEST(Golden, RandomScoresKeepTheSameEntriesPerHead) {
  for (const char* model : {"smollm2", "qwen05"}) {
    const Npz npz = Npz::open(golden(std::string(model) + "__random_seed42_r50"));
    const Array &scores = npz.at("scores"), &mask = npz.at("kept_mask");
    const Index heads = mask.shape[1], tokens = mask.shape[2];
    for (std::size_t s = 0; s < context(model).layers.size(); ++s)
      for (Index h = 0; h < heads; ++h) {
        const Index row = (static_cast<Index>(s) * heads + h) * tokens;
        const Index masked = (context(model).layers[s] * heads + h) * tokens;
        const auto kept =
            best_entries(std::span(scores.data).subspan(row, tokens), kept_of(tokens, 0.5));
        std::set<Index> theirs;
        for (Index j = 0; j < tokens; ++j)
          if (mask.data[masked + j] != 0) theirs.insert(j);
        expect_same_set({kept.begin(), kept.end()}, theirs, {}, 0, model);
      }
  }
}

TEST(Golden, ChunksOfExpectedAttentionKeepTheSameEntries) {
  Context& real = context("smollm2");
  const Npz npz = Npz::open(golden("smollm2__chunk_expected_attention_c64_r50"));
  const Array& mask = npz.at("kept_mask");
  Scene scene(real.cache, real.signals, nullptr);
  const Index tokens = real.signals.tokens, heads = 3;
  scene.set_room(
      room_of_fraction(0.5, {std::vector<Index>(90, tokens), std::vector<Index>(90, 0), 90}));
  Scores scores;
  scores.lanes.assign(90, std::vector<float>(static_cast<std::size_t>(tokens)));
  for (Index call = 0; call < 4; ++call) {
    const Array& own = npz.at("scores_call" + std::to_string(call));
    const Index n = own.shape[2];
    for (Index s = 0; s < 3; ++s)
      for (Index h = 0; h < heads; ++h)
        for (Index j = 0; j < n; ++j)
          scores.lanes[real.layers[s] * heads + h][call * 64 + j] =
              own.data[(s * heads + h) * n + j];
  }
  const Stage stage = one_stage("knorm + chunked(64) @ 0.5");
  const Selection mine = stage.allocator.info->allocate(scene, stage.allocator.arguments, scores);
  for (Index layer : real.layers)
    for (Index h = 0; h < heads; ++h) {
      const Index lane = layer * heads + h;
      std::set<Index> theirs;
      for (Index j = 0; j < tokens; ++j)
        if (mask.data[lane * tokens + j] != 0) theirs.insert(j);
      // The last chunk has 5 tokens, 4 of them "sinks" with equal scores.
      expect_same_set({mine.keep[lane].begin(), mine.keep[lane].end()}, theirs, scores.lanes[lane],
                      1e-7f, "lane " + std::to_string(lane));
    }
}

TEST(Golden, ReplayScoresAreCutGlobally) {
  const auto cut = [](const std::string& model, const std::string& file, const std::string& recipe,
                      bool plus) {
    SCOPED_TRACE(model + " " + file);
    Context& real = context(model);
    const Npz npz = Npz::open(golden(model + "__" + file));
    const Array &scores = npz.at("scores"), &mask = npz.at("kept_mask");
    const Index layers = mask.shape[0], row = mask.shape[1] * mask.shape[2];
    for (Index l = 0; l < layers; ++l) {
      auto& to = plus ? real.signals.layers[l].replay_plus : real.signals.layers[l].replay;
      to.assign(scores.data.begin() + l * row, scores.data.begin() + (l + 1) * row);
    }
    const cache::Plan plan = Recipe::parse(recipe).plan(0, real.cache, real.signals);
    std::set<Index> mine, theirs;
    for (std::size_t lane = 0; lane < plan.lanes.size(); ++lane)
      for (std::int32_t j : plan.lanes[lane].keep)
        mine.insert(static_cast<Index>(lane) * mask.shape[2] + j);
    for (Index i = 0; i < mask.size(); ++i)
      if (mask.data[i] != 0) theirs.insert(i);
    expect_same_set(mine, theirs, scores.data, 0, file);
  };
  for (const char* model : {"smollm2", "qwen05"}) {
    cut(model, "kvzip_r50", "kvzip(quirk=kvpress) @ 0.5", false);
    cut(model, "kvzip_r80", "kvzip(quirk=kvpress) @ 0.8", false);
    cut(model, "kvzip_plus_r50", "kvzip_plus(quirk=kvpress) @ 0.5", true);
  }
  cut("smollm2", "kvzip_plus_r80", "kvzip_plus(quirk=kvpress) @ 0.8", true);
  cut("smollm2", "kvzip_chunk64_r50", "kvzip(quirk=kvpress) @ 0.5", false);
  cut("smollm2", "kvzip_layerwise_r50", "kvzip_layerwise(quirk=kvpress) @ 0.5", false);
}

TEST(Golden, RerotatedKeysAreThoseOfKvpress) {
  const auto check = [](const std::string& model, const std::string& file,
                        const std::string& recipe) {
    SCOPED_TRACE(model + " " + file);
    Context& real = context(model);
    const Npz npz = Npz::open(golden(model + "__" + file));
    const Array& expected = npz.at("keys_out");
    const Index heads = expected.shape[1], n = expected.shape[2], depth = expected.shape[3];
    cache::Cache compressed = real.cache.fork();
    compressed.apply(Recipe::parse(recipe).plan(0, real.cache, real.signals));
    for (std::size_t s = 0; s < real.layers.size(); ++s)
      for (Index h = 0; h < heads; ++h) {
        const Index lane = real.layers[s] * heads + h;
        if (npz.at("ties_at_cut").data[lane] > 0) continue;
        std::vector<float> keys(static_cast<std::size_t>(n * depth));
        ASSERT_EQ(compressed.size(lane), n);
        compressed.read_keys(lane, keys);
        const auto info = compressed.read_info(lane);
        const float* theirs = &expected.data[(static_cast<Index>(s) * heads + h) * n * depth];
        float worst = 0;
        for (Index j = 0; j < n; ++j)
          for (Index i = 0; i < depth; ++i) {
            const auto row = static_cast<Index>(info[j].position);
            worst = std::max(worst, std::abs(keys[j * depth + i] - theirs[row * depth + i]));
          }
        EXPECT_LT(worst, 2e-4f) << "lane " << lane;
      }
  };
  check("smollm2", "key_rerotation_knorm_r50", "key_rerotation_knorm + f32 @ 0.5");
  check("smollm2", "key_rerotation_knorm_r80", "key_rerotation_knorm + f32 @ 0.8");
  check("qwen05", "key_rerotation_knorm_r50", "key_rerotation_knorm + f32 @ 0.5");
}

}  // namespace
}  // namespace pith::recipe
