#include "engine/learned/encoder_training.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "engine/compress.h"
#include "engine/conversation/conversation.h"
#include "engine/learned/encoder_pass.h"
#include "engine/learned/training_store.h"
#include "engine/reading.h"
#include "support/test_folder.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

class EncoderTrained : public ::testing::Test {
 protected:
  void SetUp() override {
    test::TinyModelOptions tiny;
    tiny.layers = 3;
    bytes_ = test::tiny_model(tiny);
    engine_ = Engine::from(gguf::File::parse(bytes_, "tiny"),
                           {.threads = 1, .numerics = Numerics::exact});
    std::filesystem::create_directories(folder_);
    options_.steps = 12;
    options_.turn = 24;
    options_.checkpoint_seconds = 0;
    options_.shape = {.width = 16, .ff = 32, .heads = 2, .layers = 1, .reach = 4, .places = 4};
  }
  static float mean(const std::vector<float>& x) {
    return std::reduce(x.begin(), x.end()) / static_cast<float>(x.size());
  }

  std::vector<std::byte> bytes_;
  std::shared_ptr<Engine> engine_;
  const test::TestFolder own_;
  const std::filesystem::path& folder_ = own_.path();
  std::vector<std::string> texts_ = {
      "The heron stood in the shallows. Nobody saw it fish, and nobody asked the keeper why.",
      "Rates: 41, 7, 903. The third is wrong! Ask the clerk before noon, or wait for the letter.",
      "let total = 0; for (const row of rows) total += row.price;\nreturn total.toFixed(2);"};
  EncoderTraining options_;
};

TEST_F(EncoderTrained, StepsLowerTheLossBelowThatOfPlainMeans) {
  options_.steps = 150;
  options_.rate = 3e-3;
  const Encoder encoder = train_encoder(engine_, texts_, options_);
  EXPECT_LT(mean(start_losses(engine_, texts_, options_, &encoder.weights)),
            0.8f * mean(start_losses(engine_, texts_, options_, nullptr)));
}

TEST_F(EncoderTrained, UntrainedStartsHaveTheLossOfPlainMeans) {
  EncoderShape shape = options_.shape;
  shape.embedding = engine_->config().width;
  const auto untrained = EncoderWeights::untrained(shape, 1, 1);
  EXPECT_EQ(start_losses(engine_, texts_, options_, &untrained),
            start_losses(engine_, texts_, options_, nullptr));
}

TEST_F(EncoderTrained, AKilledTrainingGoesOnToTheSameBits) {
  const Encoder whole = train_encoder(engine_, texts_, options_);
  options_.checkpoint = folder_ / "training";
  struct Killed {};
  EXPECT_THROW(train_encoder(engine_, texts_, options_,
                             [](Index step, Index, float) {
                               if (step == 9) throw Killed{};
                             }),
               Killed);
  Index first = 0;
  const Encoder resumed = train_encoder(engine_, texts_, options_, [&](Index step, Index, float) {
    if (first == 0) first = step;
  });
  EXPECT_GT(first, 1);
  EXPECT_EQ(resumed.weights.values, whole.weights.values);
}

TEST_F(EncoderTrained, ACheckpointOfAnotherTrainingIsRefused) {
  options_.checkpoint = folder_ / "training";
  train_encoder(engine_, texts_, options_);
  options_.seed = 7;
  try {
    train_encoder(engine_, texts_, options_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("of another training"));
  }
}

// The distance to optimised vectors falls, against a training that does not move. The vectors are
// kept: a second training takes them from the folder, to the same bits.
TEST_F(EncoderTrained, DistillationApproachesOptimisedVectors) {
  options_.distil = 500;
  options_.steps = 400;
  options_.vectors = folder_ / "vectors";
  float distance = 0;
  const auto hear = [&](Index, Index, float loss) { distance = loss; };
  options_.rate = 1e-12;
  train_encoder(engine_, texts_, options_, hear);
  const float at_rest = distance;
  EXPECT_FALSE(std::filesystem::is_empty(options_.vectors));
  options_.rate = 3e-3;
  const Encoder first = train_encoder(engine_, texts_, options_, hear);
  EXPECT_LT(distance, 0.9f * at_rest);
  EXPECT_EQ(train_encoder(engine_, texts_, options_).weights.values, first.weights.values);
}

TEST_F(EncoderTrained, ADivergingTrainingSaysSo) {
  options_.rate = 1e30;
  EXPECT_THROW(train_encoder(engine_, texts_, options_), Error);
}

TEST_F(EncoderTrained, WithoutTextsThereIsNothingToLearn) {
  EXPECT_THROW(train_encoder(engine_, {}, options_), Error);
}

// The part: a file in place of the steps, or before them.
class EncoderRecipe : public EncoderTrained {
 protected:
  void SetUp() override {
    EncoderTrained::SetUp();
    options_.steps = 60;
    file_ = folder_ / "an encoder, 2x.safetensors";
    train_encoder(engine_, texts_, options_).save(file_);
    for (Token t = 0; t < 40; ++t) tokens_.push_back((3 + 7 * t) % 256);
  }
  recipe::Recipe parse(const std::string& more) const {
    return recipe::Recipe::parse(fmt::format("virtual(encoder=\"{}\"{})", file_.string(), more));
  }
  // First and last loss of each turn, as they are kept.
  std::vector<float> compress_with(const recipe::Recipe& recipe) {
    std::vector<float> losses;
    engine_->set_training_store(std::make_shared<TrainingStore>(
        folder_ / "store",
        [&](Index, Index, Index, Index, float loss) { losses.push_back(loss); }));
    Context context(engine_);
    const auto signals = read_document(context, tokens_, recipe.needs(),
                                       {.prefix_tokens = 6, .sentence_starts = {0}});
    compress(context, recipe, signals);
    EXPECT_EQ(context.cache().size(0), 6 + 17);
    return losses;
  }

  std::filesystem::path file_;
  std::vector<Token> tokens_;
};

TEST_F(EncoderRecipe, ItGivesTheEntriesWithoutSteps) {
  EXPECT_EQ(compress_with(parse("")).size(), 1u);
}

TEST_F(EncoderRecipe, StepsGoOnFromItsStart) {
  const auto alone = compress_with(parse(""));
  const auto more = compress_with(parse(", least_steps=20"));
  ASSERT_EQ(more.size(), 21u);
  EXPECT_EQ(more.front(), alone.front());
  EXPECT_LT(more.back(), more.front());
}

// What was optimised from one encoder is not taken for what begins at another of the same name.
TEST_F(EncoderRecipe, KeptVectorsAreOfTheFilesContent) {
  EXPECT_EQ(compress_with(parse(", least_steps=3")).size(), 4u);
  EXPECT_EQ(compress_with(parse(", least_steps=3")).size(), 1u);
  options_.seed = 8;
  train_encoder(engine_, texts_, options_).save(file_);
  EXPECT_EQ(compress_with(parse(", least_steps=3")).size(), 4u);
}

TEST_F(EncoderRecipe, AFileOfAnotherModelIsRefusedBeforeAnythingIsRead) {
  test::TinyModelOptions tiny;
  tiny.seed = 2;
  const auto bytes = test::tiny_model(tiny);
  const auto other = Engine::from(gguf::File::parse(bytes, "tiny"), {.threads = 1});
  Context context(other);
  EXPECT_THROW(read_document(context, tokens_, parse("").needs(), {.prefix_tokens = 6}), Error);
  EXPECT_EQ(context.next_position(), 0);
  EXPECT_THROW(Conversation(other, {.recipe = parse("")}), Error);
}

TEST_F(EncoderRecipe, AConversationTakesIt) {
  Conversation conversation(engine_, {.recipe = parse("")});
  EXPECT_THROW(Conversation(engine_, {.recipe = recipe::Recipe::parse("virtual(encoder=no.st)")}),
               Error);
}

}  // namespace
}  // namespace pith
