// Scores and kept sets against kvpress (tests/golden/presses) where they need more than a recipe: a
// random projection, stored scores, keys that moved.

#include "recipe/golden_test_support.h"
#include "recipe/parts/compactor.h"
#include "recipe/planner.h"
#include "recipe/select.h"

namespace pith::recipe {
namespace {

using namespace golden;  // NOLINT: these files are its only users
using pith::test::Array;
using pith::test::Npz;

// leverage and compactor with torch's random projections. kvpress inverts its Gram matrix in f32:
// scores carry 2e-4 of noise.
TEST(Golden, LeverageAndCompactorKeepTheSameEntries) {
  const auto check = [](const std::string& model, const std::string& file, double removed,
                        bool both) {
    SCOPED_TRACE(model + " " + file);
    Context& real = context(model);
    const Npz npz = Npz::open(file_of(model + "__" + file));
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
    const Npz npz = Npz::open(file_of(std::string(model) + "__random_seed42_r50"));
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
  const Npz npz = Npz::open(file_of("smollm2__chunk_expected_attention_c64_r50"));
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
    const Npz npz = Npz::open(file_of(model + "__" + file));
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
    const Npz npz = Npz::open(file_of(model + "__" + file));
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
