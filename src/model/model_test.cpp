#include "model/model.h"

#include <gtest/gtest.h>

#include "support/error_of.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

TEST(Model, RefusesATensorOfALayerThatItHasNoUseFor) {
  const test::TinyModelOptions options;
  for (const char* unread : {"blk.1.attn_q.bias", "blk.0.ffn_gate_inp.weight", "rope_other"}) {
    gguf::Writer writer;
    test::set_tiny_hyperparameters(writer, options);
    test::set_tiny_tokenizer(writer, options.vocab);
    test::add_tiny_tensors(writer, options);
    writer.add_tensor(unread, WeightType::f32, {64}, std::vector<float>(64));
    const auto bytes = writer.bytes();
    const std::string error =
        test::error_of([&] { Model::from(gguf::File::parse(bytes, "tiny")); });
    if (std::string_view(unread).starts_with("blk."))
      EXPECT_EQ(error.substr(0, error.find(" has")), "tiny: tensor " + std::string(unread));
    else
      EXPECT_EQ(error, "no error");
  }
}

TEST(Model, ReadsAllTensorsOfEveryArchitecturesLayers) {
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma3"}) {
    const auto bytes = test::tiny_model({.architecture = architecture});
    EXPECT_EQ(test::error_of([&] { Model::from(gguf::File::parse(bytes, "tiny")); }), "no error");
  }
}

}  // namespace
}  // namespace pith
