// On a real model: what a scorer keeps must draw more of a later question's attention than as many
// random entries do. A scorer with its sign the wrong way round keeps less.
#include <gtest/gtest.h>

#include "engine/calibration/calibrate.h"
#include "engine/prompt.h"
#include "engine/reading.h"
#include "recipe/recipe.h"
#include "recipe/scene.h"
#include "recipe/window_attention.h"
#include "support/models.h"

namespace pith {
namespace {

constexpr const char* kModel = "smollm2-135m-instruct";

std::string text_about(int first) {
  std::string text;
  for (int i = first; text.size() < 2500; ++i)
    text += "Box " + std::to_string(i * 37 % 101) + " stands on shelf " + std::to_string(i) +
            " beside the " + (i % 3 ? "blue" : "green") + " door.\n";
  return text;
}

// The mean over lanes of the share of the question's attention, first tokens left out, that the
// kept entries draw.
double mass_kept(const Context& context, const recipe::Signals& signals,
                 const std::string& recipe) {
  const auto plan = recipe::Recipe::parse(recipe).plan(0, context.cache(), signals);
  const recipe::Scene scene(context.cache(), signals, nullptr);
  double share = 0;
  for (Index lane : scene.lanes()) {
    const auto probe = recipe::question_probe(scene, lane / scene.shape().kv_heads);
    const auto columns = recipe::attention_columns(scene, lane, probe);
    const Index n = scene.size(lane), first = signals.prefix_tokens;
    double all = 0, kept = 0;
    for (Index g = 0; g < scene.group(); ++g) {
      for (Index j = first; j < n; ++j) all += static_cast<double>(columns[g * n + j]);
      for (std::int32_t j : plan.lanes[static_cast<std::size_t>(lane)].keep)
        if (j >= first) kept += static_cast<double>(columns[g * n + j]);
    }
    share += kept / all / static_cast<double>(scene.lanes().size());
  }
  return share;
}

TEST(AttentionKept, ScorersKeepMoreThanChance) {
  const auto path = test::find_model(kModel);
  if (path.empty()) GTEST_SKIP() << "no model " << kModel << " here; pith pull " << kModel;
  const auto calibration =
      std::filesystem::temp_directory_path() / "pith_attention_kept.calibration";
  {
    const auto engine = Engine::load(path);
    Calibrator calibrator(engine);
    for (int i = 0; i < 2; ++i) calibrator.add(DocumentPrompt(*engine, text_about(1000 * i + 7)));
    calibrator.finish(0.1).save(calibration);
  }
  EngineOptions options;
  options.calibration = calibration;
  const auto engine = Engine::load(path, options);
  const DocumentPrompt prompt(*engine, text_about(0));
  Context context(engine);
  const std::vector<std::string> scorers = {"qfilters", "finch", "snapkv", "expected_attention",
                                            "keydiff"};
  recipe::SignalNeeds needs;
  for (const auto& scorer : scorers) needs |= recipe::Recipe::parse(scorer + " @ 0.75").needs();
  needs.question_queries = true;
  auto signals = read_document(context, prompt.context(), needs, prompt.read_options());
  observe_question(context, prompt.question("On which shelf stands box 74?"), signals);
  const double chance = mass_kept(context, signals, "random @ 0.75");
  for (const auto& scorer : scorers) {
    const double share = mass_kept(context, signals, scorer + " @ 0.75");
    EXPECT_GT(share, 1.5 * chance) << scorer;
  }
}

}  // namespace
}  // namespace pith
