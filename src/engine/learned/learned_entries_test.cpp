#include "engine/learned/learned_entries.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>

#include "base/rng.h"
#include "engine/compress.h"
#include "engine/learned/training_store.h"
#include "engine/reading.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

class Learned : public ::testing::Test {
 protected:
  static constexpr Index kTokens = 30, kPrefix = 4;

  void SetUp() override {
    bytes_ = test::tiny_model({});
    engine_ = Engine::from(gguf::File::parse(bytes_, "tiny"),
                           {.threads = 2, .numerics = Numerics::exact});
    for (Token t = 0; t < kTokens; ++t) tokens_.push_back((3 + 7 * t) % 256);
    whole_.emplace(engine_);
    whole_->read(tokens_);
    for (Index lane = 0; lane < whole_->cache().shape().lanes(); ++lane)
      plan_.lanes.emplace_back().keep = {0, 1, 2, 3, 5, 9, 20, 29};
    lessons_ = repetitions(*whole_, kLessons);
  }
  LearnedEntries entries() { return {*engine_, whole_->cache(), plan_, kPrefix, kTokens}; }

  inline static const LessonOptions kLessons{
      .prefix_tokens = kPrefix, .length = 10, .answer_prompt = {1, 2}, .teacher = 3};
  std::vector<std::byte> bytes_;
  std::shared_ptr<Engine> engine_;
  std::vector<Token> tokens_;
  std::optional<Context> whole_;
  cache::Plan plan_;
  std::vector<Lesson> lessons_;
};

TEST_F(Learned, LessonsRepeatStretchesThatOverlapByHalf) {
  ASSERT_EQ(lessons_.size(), 5u);  // [4, 14), [9, 19), [14, 24), [19, 29), [24, 30)
  const Lesson& second = lessons_[1];
  Index asked = 0;
  for (const auto& target : second.targets) asked += target.size() == 3;
  EXPECT_EQ(asked, 10);
  EXPECT_TRUE(second.targets.front().empty());
  EXPECT_EQ(second.tokens.back(), tokens_[17]);
  LessonOptions own = kLessons;
  own.teacher = 0;
  EXPECT_EQ(repetitions(*whole_, own)[1].targets.back().front().token, tokens_[18]);
}

// The teacher's own entries and no others: what it predicts costs what it is unsure of.
TEST_F(Learned, TheWholeCacheIsItsOwnTeacher) {
  for (auto& lane : plan_.lanes) {
    lane.keep.clear();
    for (std::int32_t j = 0; j < kTokens; ++j) lane.keep.push_back(j);
  }
  LearnedEntries all = entries();
  double expected = 0;
  for (const auto& target : lessons_[0].targets)
    for (const auto& [token, weight] : target)
      expected -= double{weight} * std::log(double{weight}) / 10;
  EXPECT_NEAR(all.forward(lessons_[0]), expected, 1e-2);  // keys were rounded to bf16
}

TEST_F(Learned, GradientAgreesWithDifferences) {
  LearnedEntries some = entries();
  const auto weights = some.weights();
  EXPECT_EQ(std::ssize(weights), 4 * 4 * 2 * 16);  // lanes, entries behind the prefix, K and V, D
  some.forward(lessons_[1]);
  const auto gradient = some.backward();
  Rng rng(1);
  std::vector<float> direction(weights.size());
  for (float& x : direction) x = static_cast<float>(rng.normal());
  double along = 0, squares = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    along += double{gradient[i]} * double{direction[i]};
    squares += double{gradient[i]} * double{gradient[i]};
  }
  constexpr float kStep = 1e-2f;
  const auto loss_at = [&](float step) {
    auto moved = weights;
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += step * direction[i];
    some.set(moved);
    return double{some.forward(lessons_[1])};
  };
  const double numeric = (loss_at(kStep) - loss_at(-kStep)) / (2 * double{kStep});
  EXPECT_NEAR(along, numeric, 5e-3 * std::sqrt(squares));
}

TEST_F(Learned, TrainingLowersTheLossAndLeavesThePrefix) {
  LearnedEntries some = entries();
  const auto report = learn(some, lessons_, {.steps = 40});
  EXPECT_EQ(some.size(), 4 * 4);  // lanes, entries behind the prefix
  EXPECT_LT(report.last_loss, report.first_loss);
  some.write(plan_);
  std::vector<float> keys(static_cast<std::size_t>(whole_->cache().size(1) * 16));
  whole_->cache().read_keys(1, keys);
  const auto& trained = plan_.lanes[1].keys;
  ASSERT_EQ(trained.size(), 8u * 16);
  EXPECT_TRUE(std::equal(trained.begin(), trained.begin() + kPrefix * 16, keys.begin()));
  EXPECT_NE(trained[kPrefix * 16], keys[5 * 16]);
}

TEST_F(Learned, AStoppedOrDivergedTrainingLeavesWhatWas) {
  LearnedEntries some = entries();
  const auto before = some.weights();
  learn(some, lessons_, {.steps = 5}, [](Index step, Index, float) { return step < 3; });
  EXPECT_EQ(some.weights(), before);
  const auto report =
      learn(some, lessons_, {.steps = 5, .learning_rate = std::numeric_limits<double>::infinity()});
  EXPECT_TRUE(report.diverged);
  EXPECT_FALSE(std::isfinite(report.last_loss));  // what is said of it must not look well
  EXPECT_EQ(some.weights(), before);
}

TEST_F(Learned, AnInterruptedTrainingGoesOnToTheSameBits) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "learned";
  std::filesystem::remove_all(folder);
  const TrainingStore store(folder);
  LearnedEntries whole = entries(), part = entries();
  learn(whole, lessons_, {.steps = 8});
  Checkpoint kept{
      .state = {}, .keep = [&](const auto& state) { store.keep("a", state); }, .seconds = 0};
  learn(
      part, lessons_, {.steps = 8}, [](Index step, Index, float) { return step < 5; }, kept);
  kept.state = store.find("a");
  ASSERT_TRUE(kept.state);
  EXPECT_EQ(kept.state->step, 4);
  learn(part, lessons_, {.steps = 8}, {}, kept);
  EXPECT_EQ(part.weights(), whole.weights());
}

// As a recipe: the entries are those of the scorer and the budget, with other numbers in them.
TEST_F(Learned, ARecipeTrainsWhatItKeeps) {
  engine_->set_training_store(std::make_shared<TrainingStore>(
      std::filesystem::path(::testing::TempDir()) / "learned_recipe"));
  std::vector<float> keys[2];
  std::vector<cache::EntryInfo> info[2];
  Index i = 0;
  for (const auto* text : {"spaced @ 0.5", "spaced + learned(steps=3, length=10) @ 0.5"}) {
    Context context(engine_);
    const auto recipe = recipe::Recipe::parse(text);
    EXPECT_EQ(recipe.runs_model(), i == 1);
    const auto signals = read_document(context, tokens_, recipe.needs(),
                                       {.prefix_tokens = kPrefix, .answer_prompt = {1, 2}});
    compress(context, recipe, signals);
    EXPECT_EQ(context.cache().size(1), kTokens / 2);
    keys[i].resize(static_cast<std::size_t>(context.cache().size(1) * 16));
    context.cache().read_keys(1, keys[i]);
    info[i++] = context.cache().read_info(1);
  }
  EXPECT_NE(keys[0], keys[1]);
  for (std::size_t j = 0; j < info[0].size(); ++j) {
    EXPECT_EQ(info[0][j].position, info[1][j].position);
    EXPECT_EQ(info[0][j].span, info[1][j].span);
  }
}

// Without a step it is what `match` makes of the entries; with some, other keys of the same
// weights.
TEST_F(Learned, RefusesAStageThatEvictsNothing) {
  Context context(engine_);
  const auto recipe = recipe::Recipe::parse("knorm @ 0.5 then keep_all + learned(steps=1)");
  const auto signals = read_document(context, tokens_, recipe.needs(), {});
  EXPECT_THROW(compress(context, recipe, signals), Error);
}

TEST_F(Learned, MayStartFromFittedEntries) {
  const auto made_by = [&](const std::string& realiser) {
    Context context(engine_);
    const auto recipe = recipe::Recipe::parse("spaced + " + realiser + " @ 0.5");
    const auto signals = read_document(context, tokens_, recipe.needs(),
                                       {.prefix_tokens = kPrefix, .answer_prompt = {1, 2}});
    compress(context, recipe, signals);
    PastLane lane;
    lane.keys.resize(static_cast<std::size_t>(context.cache().size(1) * 16));
    lane.values.resize(lane.keys.size());
    context.cache().read_keys(1, lane.keys);
    context.cache().read_values(1, lane.values);
    for (const auto& info : context.cache().read_info(1))
      lane.log_weights.push_back(info.log_weight);
    return lane;
  };
  const PastLane matched = made_by("match(references=16)"),
                 start = made_by("learned(start=matched, references=16, steps=0)"),
                 trained = made_by("learned(start=matched, references=16, steps=3, length=10)");
  EXPECT_EQ(start.keys, matched.keys);
  EXPECT_EQ(start.values, matched.values);
  EXPECT_EQ(start.log_weights, matched.log_weights);
  EXPECT_NE(trained.keys, matched.keys);
  EXPECT_NE(trained.values, matched.values);
  EXPECT_EQ(trained.log_weights, matched.log_weights);
}

TEST_F(Learned, TheScorersAllocatorStays) {
  EXPECT_EQ(recipe::Recipe::parse("kvzip + learned @ 4x").to_string(),
            recipe::Recipe::parse("kvzip + global + learned @ 4x").to_string());
}

}  // namespace
}  // namespace pith
