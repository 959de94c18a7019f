#include "engine/learned/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "base/rng.h"
#include "engine/learned/encoder_pass.h"
#include "engine/learned/safetensors.h"
#include "engine/learned/virtual_tokens.h"
#include "support/error_of.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

// Small, but tokens do not reach everything, and chunks are longer than the places told apart.
constexpr EncoderShape kSmall{
    .embedding = 6, .width = 8, .ff = 12, .heads = 2, .layers = 2, .reach = 2, .places = 2};

struct Turn {
  std::vector<float> rows, surprisal = {0, 1, 7, 0.5f, 3, 2, 0.1f, 4, 1};
  std::vector<TokenRange> chunks = {{0, 2}, {2, 6}, {6, 7}, {7, 9}};
  Turn() {
    Rng rng(5);
    for (Index i = 0; i < 9 * 6; ++i) rows.push_back(static_cast<float>(rng.normal()));
  }
  TurnRows view() const { return {rows, surprisal, chunks}; }
};

// All weights random, also those that begin as zeros.
EncoderWeights random_weights() {
  auto weights = EncoderWeights::untrained(kSmall, 0.7f, 1);
  Rng rng(2);
  for (float& w : weights.values) w += static_cast<float>(0.3 * rng.normal());
  return weights;
}

// A loss whose gradient with respect to the starts is known: sum_i c_i start_i.
std::vector<float> coefficients() {
  std::vector<float> out;
  for (Index i = 0; i < 4 * 6; ++i) out.push_back(static_cast<float>(std::sin(i + 1)));
  return out;
}
double loss_of(const EncoderWeights& weights, const Turn& turn) {
  EncoderPass pass(weights);
  const auto starts = pass.forward(turn.view());
  double loss = 0;
  for (std::size_t i = 0; i < starts.size(); ++i)
    loss += double{coefficients()[i]} * double{starts[i]};
  return loss;
}

TEST(Encoder, UntrainedItIsThePlainMeanToTheBit) {
  const Turn turn;
  const auto weights = EncoderWeights::untrained(kSmall, 0.7f, 1);
  const auto starts = EncoderPass(weights).forward(turn.view());
  std::vector<float> means;
  for (const TokenRange& chunk : turn.chunks) {
    const auto size = static_cast<std::size_t>(chunk.end - chunk.begin);
    const auto mean =
        pooled(turn.rows, 6, chunk, std::vector<float>(size, 1 / static_cast<float>(size)));
    means.insert(means.end(), mean.begin(), mean.end());
  }
  EXPECT_EQ(starts, means);
}

// Every array of weights, against central differences.
TEST(Encoder, GradientsAreThoseOfCentralDifferences) {
  const Turn turn;
  EncoderWeights weights = random_weights();
  std::vector<float> gradient(weights.values.size());
  EncoderPass pass(weights);
  pass.forward(turn.view());
  pass.backward(coefficients(), gradient);
  constexpr float kStep = 4e-3f;
  for (const EncoderArray& array : encoder_arrays(kSmall)) {
    double difference = 0, length = 0;
    for (std::size_t i = array.offset; i < array.offset + array.size(); ++i) {
      const float w = weights.values[i];
      weights.values[i] = w + kStep;
      const double above = loss_of(weights, turn);
      weights.values[i] = w - kStep;
      const double slope = (above - loss_of(weights, turn)) / (2 * double{kStep});
      weights.values[i] = w;
      difference += std::pow(slope - double{gradient[i]}, 2);
      length += slope * slope;
    }
    EXPECT_GT(length, 0) << array.name;
    EXPECT_LT(std::sqrt(difference), 2e-3 * std::sqrt(length)) << array.name;
  }
}

TEST(Encoder, GradientsAddUp) {
  const Turn turn;
  const EncoderWeights weights = random_weights();
  std::vector<float> once(weights.values.size()), twice(once.size());
  EncoderPass pass(weights);
  pass.forward(turn.view());
  pass.backward(coefficients(), once);
  pass.backward(coefficients(), twice);
  pass.backward(coefficients(), twice);
  for (std::size_t i = 0; i < once.size(); ++i)
    EXPECT_NEAR(twice[i], 2 * once[i], 1e-4f * (1 + std::abs(once[i])));
}

class EncoderFile : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(::testing::TempDir()) / "encoder test.safetensors";
    engine_ = tiny(1);
    encoder_ = {.weights = random_weights(),
                .model_name = "tiny",
                .model_hash = engine_->model().hash(),
                .ratio = 2.5,
                .note = "a note"};
  }
  static std::shared_ptr<Engine> tiny(std::uint64_t seed) {
    test::TinyModelOptions options;
    options.seed = seed;
    const auto bytes = test::tiny_model(options);
    return Engine::from(gguf::File::parse(bytes, "tiny"),
                        {.threads = 1, .numerics = Numerics::exact});
  }
  // An encoder for the tiny model, whose embeddings are 64 wide.
  void widen() {
    EncoderShape shape = kSmall;
    shape.embedding = 64;
    encoder_.weights = EncoderWeights::untrained(shape, 1, 3);
  }
  // The file after a change.
  std::string refusal_after(const std::function<void(Safetensors&)>& change) {
    encoder_.save(path_);
    Safetensors file = Safetensors::load(path_);
    change(file);
    return test::error_of([&] { Encoder::parse(file.bytes(), "enc"); });
  }

  std::filesystem::path path_;
  std::shared_ptr<Engine> engine_;
  Encoder encoder_;
};

TEST_F(EncoderFile, RoundTripKeepsEveryBit) {
  widen();
  encoder_.save(path_);
  const Encoder in = Encoder::load(path_, *engine_);
  EXPECT_EQ(in.weights.shape, encoder_.weights.shape);
  EXPECT_EQ(in.weights.scale, encoder_.weights.scale);
  EXPECT_EQ(in.weights.values, encoder_.weights.values);
  EXPECT_EQ(in.weights.hash(), encoder_.weights.hash());
  EXPECT_EQ(in.ratio, 2.5);
  EXPECT_EQ(in.note, "a note");
}

TEST_F(EncoderFile, AnotherModelIsRefused) {
  widen();
  encoder_.save(path_);
  EXPECT_THAT(test::error_of([&] { Encoder::load(path_, *tiny(2)); }),
              ::testing::HasSubstr("was trained for another model (tiny)"));
}

TEST_F(EncoderFile, WhatIsNoEncoderIsRefused) {
  using ::testing::HasSubstr;
  EXPECT_THAT(test::error_of([&] { Encoder::load("no/such/file", *engine_); }),
              HasSubstr("no/such/file"));
  EXPECT_THAT(refusal_after([](Safetensors& f) { f.metadata["format"] = "x"; }),
              HasSubstr("enc is no encoder"));
  EXPECT_THAT(refusal_after([](Safetensors& f) { f.metadata["width"] = "9"; }),
              HasSubstr("do not fit"));
  EXPECT_THAT(refusal_after([](Safetensors& f) { f.metadata["width"] = "1000000000"; }),
              HasSubstr("was expected"));
  EXPECT_THAT(refusal_after([](Safetensors& f) { f.metadata["heads"] = "0"; }),
              HasSubstr("was expected"));
  EXPECT_THAT(refusal_after([](Safetensors& f) { f.metadata["layers"] = "two"; }),
              HasSubstr("no number"));
  EXPECT_THAT(refusal_after([](Safetensors& f) { f.metadata["layers"] = "1"; }),
              HasSubstr("arrays that no encoder has"));
  EXPECT_THAT(refusal_after([](Safetensors& f) { f.tensors.erase("norm"); }),
              HasSubstr("\"norm\""));
  EXPECT_THAT(refusal_after([](Safetensors& f) { f.tensors["norm"].data[0] = NAN; }),
              HasSubstr("no numbers"));
}

TEST(Encoder, HeadsMustDivideTheWidth) {
  EXPECT_THROW(EncoderWeights::untrained({.embedding = 6, .width = 9, .heads = 2}, 1, 1), Error);
}

}  // namespace
}  // namespace pith
