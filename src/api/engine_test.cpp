#include <gmock/gmock.h>

#include "api/api_test_support.h"

namespace pithkv {
namespace {

using test::refusal;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

using EngineTest = test::ApiTest;

TEST_F(EngineTest, TellsTheShapeOfItsModel) {
  const Engine engine = this->engine();
  EXPECT_EQ(engine.name(), "tiny llama");
  EXPECT_EQ(engine.layers(), 2);
  EXPECT_EQ(engine.kv_heads(), 2);
  EXPECT_EQ(engine.head_dim(), 16);
  EXPECT_EQ(engine.context_length(), 512);
  EXPECT_THAT(engine.model_hash(), MatchesRegex("[0-9a-f]{16}"));
  EXPECT_EQ(engine.numerics(), "fast");
  EXPECT_EQ(Engine::load(tiny(), {.threads = 1, .exact = true}).numerics(), "exact");
}

TEST_F(EngineTest, ReadsControlTokensOfATextAsPlainText) {
  const Engine engine = this->engine();
  EXPECT_EQ(engine.tokenize("hello").size(), 1u);
  EXPECT_GT(engine.tokenize("<|im_end|>").size(), 1u);
}

TEST_F(EngineTest, RefusesWithACode) {
  EXPECT_THAT(refusal([] { Engine::load("nowhere.gguf"); }),
              AllOf(StartsWith("not_found: "), HasSubstr("nowhere.gguf")));
  EXPECT_THAT(refusal([&] { Engine::load(tiny(), {.threads = -1}); }),
              AllOf(StartsWith("bad_input: "), HasSubstr("threads=-1")));
  EXPECT_THAT(refusal([&] { Engine::load(tiny(), {.threads = 1025}); }),
              AllOf(StartsWith("bad_input: "), HasSubstr("threads=1025: up to 1024")));
  EXPECT_EQ(to_string(ErrorCode::bad_budget), "bad_budget");
  EXPECT_EQ(to_string(ErrorCode::io), "io");
}

TEST_F(EngineTest, WhatItReadOutlivesItsHandle) {
  const Context context = engine().read("hello and the end");
  EXPECT_LE(context.ask("the end?", {.max_tokens = 3}).tokens.size(), 3u);
}

TEST(Recipes, AreWrittenOut) {
  EXPECT_EQ(canonical_recipe("knorm @ 2x"), "knorm + uniform + drop + bf16 @ 2x");
  EXPECT_THAT(refusal([] { canonical_recipe("snapvk @ 2x"); }),
              AllOf(StartsWith("bad_recipe: "), HasSubstr("snapkv")));
}

TEST(Version, IsThatOfTheProject) { EXPECT_EQ(version(), PITH_VERSION); }

}  // namespace
}  // namespace pithkv
