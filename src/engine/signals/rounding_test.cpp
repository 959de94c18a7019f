// On a real model, whose queries look along few directions: keys that are rounded for them answer a
// later text nearer to exact keys than keys of nearest codes do.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/compress.h"
#include "engine/prompt.h"
#include "engine/reading.h"
#include "recipe/references.h"
#include "recipe/row_kernels.h"
#include "recipe/scene.h"
#include "support/models.h"

namespace pith {
namespace {

constexpr const char* kModel = "smollm2-135m-instruct";

// Of all lanes, what they answer to the replay's queries.
std::vector<float> answers(const Context& context, const recipe::Signals& signals) {
  const recipe::Scene scene(context.cache(), signals, nullptr);
  std::vector<float> out;
  for (const Index lane : scene.lanes()) {
    const auto references =
        recipe::references_of(scene, lane / scene.shape().kv_heads, "repeat", 64);
    const auto p = recipe::reference_weights(scene, lane, references);
    const auto y = recipe::product(p, std::ssize(p) / scene.size(lane), scene.values(lane),
                                   scene.shape().head_dim);
    out.insert(out.end(), y.begin(), y.end());
  }
  return out;
}

TEST(Rounding, KeysRoundedForTheQueriesAnswerNearer) {
  const auto path = test::find_model(kModel);
  if (path.empty()) GTEST_SKIP() << "no model " << kModel << " here; pith pull " << kModel;
  const auto engine = Engine::load(path);
  std::string text;
  for (int i = 0; i < 30; ++i)
    text += "Box " + std::to_string(i * 37 % 101) + " stands beside the green door.\n";
  const DocumentPrompt prompt(*engine, text);
  Context context(engine);
  recipe::SignalNeeds needs;
  needs.rotated_moments = true;
  needs.replay_queries = {64};
  const auto signals = read_document(context, prompt.context(), needs, prompt.read_options());
  const std::vector<float> exact = answers(context, signals);
  const auto error = [&](const std::string& recipe) {
    Context fork = context.fork();
    compress(fork, recipe::Recipe::parse(recipe), signals);
    const std::vector<float> rounded = answers(fork, signals);
    double sum = 0;
    for (std::size_t i = 0; i < exact.size(); ++i)
      sum += (double{exact[i]} - rounded[i]) * (double{exact[i]} - rounded[i]);
    return std::sqrt(sum);
  };
  // Values are rounded as well, to the same codes in both.
  for (const std::string start :
       {"int4(recent=0", "int4(recent=0, rotate=none", "int3(recent=0", "int2(recent=0"})
    EXPECT_LT(error(start + ")"), 0.93 * error(start + ", rounding=nearest)")) << start;
}

}  // namespace
}  // namespace pith
