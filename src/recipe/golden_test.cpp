// Scores and kept sets of one-pass presses against what kvpress computed on real models
// (tests/golden/presses).

#include "recipe/golden_test_support.h"
#include "recipe/planner.h"

namespace pith::recipe {
namespace {

using namespace golden;  // NOLINT: these files are its only users
using pith::test::Array;
using pith::test::Npz;

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
  const Npz npz = Npz::open(file_of(model + "__" + test.file));
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

}  // namespace
}  // namespace pith::recipe
