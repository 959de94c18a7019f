#include "model/config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/tiny_model.h"

namespace pith {
namespace {

// Metadata and one row of an embedding: no other tensor is looked at.
ModelConfig config_of(const test::TinyModelOptions& options) {
  gguf::Writer writer;
  test::set_tiny_hyperparameters(writer, options);
  writer.add_tensor("token_embd.weight", WeightType::f32, {16}, std::vector<float>(16));
  const auto bytes = writer.bytes();
  return read_config(gguf::File::parse(bytes, "metadata"));
}

TEST(Config, Gemma3Of27BDividesLogitsByTheRootOfWidthOverHeads) {
  test::TinyModelOptions options{.architecture = "gemma3",
                                 .layers = 62,
                                 .width = 5376,
                                 .heads = 32,
                                 .kv_heads = 16,
                                 .head_dim = 128};
  EXPECT_FLOAT_EQ(config_of(options).attention_scale, 1 / std::sqrt(168.0f));
  options.architecture = "llama";
  EXPECT_FLOAT_EQ(config_of(options).attention_scale, 1 / std::sqrt(128.0f));
}

TEST(Config, Gemma3Of12BDividesLogitsByTheRootOfTheHeadDimension) {
  const ModelConfig config = config_of({.architecture = "gemma3",
                                        .layers = 48,
                                        .width = 3840,
                                        .heads = 16,
                                        .kv_heads = 8,
                                        .head_dim = 256});
  EXPECT_FLOAT_EQ(config.attention_scale, 1 / std::sqrt(256.0f));
}

}  // namespace
}  // namespace pith
