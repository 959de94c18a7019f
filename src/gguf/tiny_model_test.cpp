#include "support/tiny_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace pith::test {
namespace {

using ::testing::ElementsAre;

TEST(TinyModel, EveryArchitectureIsAFileWithItsOwnTensors) {
  const auto names = [](const char* architecture) {
    const auto bytes = tiny_model({.architecture = architecture, .layers = 1});
    const gguf::File file = gguf::File::parse(bytes, architecture);
    EXPECT_EQ(file.get_index(std::string(architecture) + ".block_count"), 1);
    EXPECT_THAT(file.tensor("blk.0.attn_k.weight").shape, ElementsAre(64, 32));
    std::set<std::string> result;
    for (const auto& tensor : file.tensors()) result.insert(tensor.name);
    return result;
  };
  EXPECT_EQ(names("llama").size(), 11u);
  EXPECT_TRUE(names("qwen2").contains("blk.0.attn_v.bias"));
  EXPECT_TRUE(names("qwen3").contains("blk.0.attn_k_norm.weight"));
  EXPECT_TRUE(names("gemma3").contains("blk.0.post_ffw_norm.weight"));
}

TEST(TinyModel, OptionsAddTheirKeysAndTensors) {
  const auto bytes = tiny_model({.tied = false, .sliding_window = 32, .rope = TinyRope::llama3});
  const gguf::File file = gguf::File::parse(bytes, "tiny");
  EXPECT_THAT(file.tensor("output.weight").shape, ElementsAre(64, 320));
  EXPECT_EQ(file.get_index("llama.attention.sliding_window"), 32);
  EXPECT_THAT(file.tensor("rope_freqs.weight").shape, ElementsAre(8));
  const auto yarn = tiny_model({.rope = TinyRope::yarn});
  EXPECT_EQ(gguf::File::parse(yarn, "tiny").get_string("llama.rope.scaling.type"), "yarn");
}

TEST(TinyModel, WeightsTakeAnyTypeWhoseBlockFits) {
  const auto bytes = tiny_model({.width = 256,
                                 .head_dim = 64,
                                 .ff = 256,
                                 .weights = WeightType::q4_k,
                                 .embeddings = WeightType::q8_0});
  const gguf::File file = gguf::File::parse(bytes, "tiny");
  EXPECT_EQ(file.tensor("blk.1.ffn_down.weight").type, WeightType::q4_k);
  EXPECT_EQ(file.tensor("token_embd.weight").type, WeightType::q8_0);
}

TEST(TinyModel, TheVocabularyIsComplete) {
  const auto bytes = tiny_model();
  const gguf::File file = gguf::File::parse(bytes, "tiny");
  const auto& tokens = file.get_strings("tokenizer.ggml.tokens");
  ASSERT_EQ(tokens.size(), 320u);
  EXPECT_EQ(std::set<std::string>(tokens.begin(), tokens.end()).size(), 320u);
  EXPECT_EQ(tokens[' '], "\u0120");
  EXPECT_EQ(tokens['A'], "A");
  EXPECT_EQ(tokens[173], "\u0143");
  EXPECT_EQ(tokens[static_cast<std::size_t>(file.get_index("tokenizer.ggml.eos_token_id"))],
            "<|im_end|>");
  const std::set<std::string> known(tokens.begin(), tokens.end());
  for (const auto& merge : file.get_strings("tokenizer.ggml.merges")) {
    const std::size_t space = merge.find(' ');
    EXPECT_TRUE(known.contains(merge.substr(0, space))) << merge;
    EXPECT_TRUE(known.contains(merge.substr(space + 1))) << merge;
  }
}

TEST(TinyModel, TheSeedDecidesTheWeights) {
  EXPECT_EQ(tiny_model({.seed = 7}), tiny_model({.seed = 7}));
  EXPECT_NE(tiny_model({.seed = 7}), tiny_model({.seed = 8}));
}

}  // namespace
}  // namespace pith::test
