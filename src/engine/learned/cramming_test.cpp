#include "engine/learned/cramming.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "engine/learned/training_store.h"
#include "engine/learned/turn_entries.h"
#include "engine/learned/virtual_tokens.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

class Cramming : public ::testing::Test {
 protected:
  void SetUp() override {
    bytes_ = test::tiny_model({});
    engine_ = Engine::from(gguf::File::parse(bytes_, "tiny"),
                           {.threads = 2, .numerics = Numerics::exact});
    for (Token t = 0; t < 8; ++t) text_.push_back((50 + 37 * t) % 256);
    prefix_ = {3, 10, 17};
  }
  Context context() {
    Context context(engine_);
    context.read(prefix_);
    return context;
  }
  static inline const VirtualOptions kOptions{.ratio = 4,
                                              .steps_per_250 = 0,
                                              .least_steps = 400,
                                              .learning_rate = 0.03,
                                              .loss = VirtualLoss::tokens};

  std::vector<std::byte> bytes_;
  std::shared_ptr<Engine> engine_;
  std::vector<Token> text_, prefix_;
};

TEST_F(Cramming, GradientAgreesWithDifferences) {
  const Context before = context();
  const auto past = read_turn(before.cache(), 0).past;
  CrammingGoal goal(*engine_, past, text_, 11);
  const std::vector<Index> positions = {3, 10};
  Rng rng(1);
  std::vector<float> embeddings(2 * 64), direction(2 * 64);
  for (float& x : embeddings) x = static_cast<float>(rng.normal());
  for (float& x : direction) x = static_cast<float>(rng.normal());
  goal.forward(embeddings, positions);
  double along = 0, squares = 0;
  const auto gradient = goal.backward();
  ASSERT_EQ(gradient.size(), embeddings.size());
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    along += double{gradient[i]} * double{direction[i]};
    squares += double{gradient[i]} * double{gradient[i]};
  }
  constexpr float kStep = 5e-3f;
  const auto loss_at = [&](float step) {
    auto moved = embeddings;
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += step * direction[i];
    return double{goal.forward(moved, positions)};
  };
  const double numeric = (loss_at(kStep) - loss_at(-kStep)) / (2 * double{kStep});
  EXPECT_NEAR(along, numeric, 5e-3 * std::sqrt(squares));
}

// The loss is what teacher forcing behind the tokens' own embeddings gives.
TEST_F(Cramming, LossIsThatOfTheModel) {
  Context read = context();
  const auto past = read_turn(read.cache(), 0).past;
  CrammingGoal goal(*engine_, past, text_, 5);
  const std::vector<Token> two = {90, 91};
  const float loss =
      goal.forward(token_embeddings(engine_->model(), two), std::vector<Index>{3, 4});
  read.read(two);
  double expected = 0;
  for (const float p : read.read_and_score(text_)) expected -= double{p} / 7;
  EXPECT_NEAR(loss, expected, 1e-4);
}

TEST_F(Cramming, EndsOnceTheTextIsReproduced) {
  Context read = context();
  Index steps = 0;
  VirtualOptions options = kOptions;
  options.ratio = 2;
  const auto report =
      read_as_virtual(read, text_, 0, options, [&](Index, Index, float) { return ++steps > 0; });
  EXPECT_EQ(report.targets, 7);
  EXPECT_EQ(report.hits, 7);
  EXPECT_LT(steps, 400);
  EXPECT_EQ(read.cache().size(0), 3 + 4);
  EXPECT_EQ(read.next_position(), 3 + 8);
}

TEST_F(Cramming, TheBestIterateIsKeptAndResumed) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "cramming";
  std::filesystem::remove_all(folder);
  const TrainingStore store(folder);
  VirtualOptions options = kOptions;
  options.least_steps = 12;
  Context whole = context();
  const auto expected = read_as_virtual(whole, text_, 0, options);
  Checkpoint kept{
      .state = {}, .keep = [&](const auto& state) { store.keep("turn", state); }, .seconds = 0};
  Context stopped = context();
  read_as_virtual(
      stopped, text_, 0, options, [](Index step, Index, float) { return step < 6; }, kept);
  kept.state = store.find("turn");
  ASSERT_TRUE(kept.state);
  EXPECT_EQ(kept.state->best.size(), kept.state->numbers.size());
  Context resumed = context();
  const auto found = read_as_virtual(resumed, text_, 0, options, {}, kept);
  EXPECT_EQ(found.hits, expected.hits);
  EXPECT_EQ(found.last_loss, expected.last_loss);
}

}  // namespace
}  // namespace pith
