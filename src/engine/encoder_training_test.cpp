#include "engine/encoder_training.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "engine/encoder_pass.h"
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
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
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
  std::filesystem::path folder_;
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

// Optimised vectors are kept: the second training takes them from the folder, to the same bits.
TEST_F(EncoderTrained, DistillationApproachesOptimisedVectors) {
  options_.distil = 2000;
  options_.steps = 40;
  options_.rate = 3e-3;
  options_.vectors = folder_ / "vectors";
  std::vector<float> losses;
  const auto hear = [&](Index, Index, float loss) { losses.push_back(loss); };
  const Encoder first = train_encoder(engine_, texts_, options_, hear);
  EXPECT_LT(losses.back(), losses.front());
  EXPECT_FALSE(std::filesystem::is_empty(options_.vectors));
  EXPECT_EQ(train_encoder(engine_, texts_, options_).weights.values, first.weights.values);
}

TEST_F(EncoderTrained, ADivergingTrainingSaysSo) {
  options_.rate = 1e30;
  EXPECT_THROW(train_encoder(engine_, texts_, options_), Error);
}

TEST_F(EncoderTrained, WithoutTextsThereIsNothingToLearn) {
  EXPECT_THROW(train_encoder(engine_, {}, options_), Error);
}

}  // namespace
}  // namespace pith
