#include "eval/run_config.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "eval/arms.h"

namespace pith::eval {
namespace {

std::string refusal(std::string_view yaml) {
  try {
    parse_config(yaml, "run.yaml");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_input);
    return error.what();
  }
  return "taken";
}

TEST(RunConfigFile, SaysWhatTheOptionsSay) {
  const RunConfig config = parse_config(
      "model: tiny.gguf\nsuite: [needles, kv]\ntokens: 700\nkv:\n  - knorm\n  - random @ 2x\n"
      "budgets: [2x, 4x]\nquestion-aware: true\nshard: 1/3\n",
      "run.yaml");
  EXPECT_EQ(config.model, "tiny.gguf");
  EXPECT_EQ(config.suites, (std::vector<std::string>{"needles", "kv"}));
  EXPECT_EQ(config.suite.tokens, 700);
  EXPECT_TRUE(config.question_aware);
  EXPECT_EQ(config.shard, 1);
  std::vector<std::string> names;
  for (const auto& arm : all_arms(config)) names.push_back(arm.name());
  EXPECT_EQ(names, (std::vector<std::string>{"full", "knorm @ 2x", "knorm @ 4x", "random @ 2x"}));
}

TEST(RunConfigFile, RefusesWithPlaceAndNearestName) {
  EXPECT_EQ(refusal("suite: kv\ncontext: 4\n").substr(0, 71),
            "run.yaml:2: no key is called \"context\"; did you mean contexts?; known: ");
  EXPECT_EQ(refusal("tokens: many\n"),
            "run.yaml:1: tokens is \"many\"; expected an integer from 64 to 16777216");
  EXPECT_EQ(refusal("twins: [1]\n"), "run.yaml:1: twins is a list; expected true or false");
  EXPECT_EQ(refusal("kv:\n"), "run.yaml:1: kv is nothing; expected a text or a list of texts");
  EXPECT_EQ(refusal("seed: 1\nseed: 2\n"), "run.yaml:2: seed is given twice");
  EXPECT_NE(refusal("suite: [kv\n").find("run.yaml:2: no YAML"), std::string::npos);
  EXPECT_NE(refusal("just words").find("expected lines such as"), std::string::npos);
}

TEST(RunConfigFile, TheRecordIsAConfig) {
  RunConfig config;
  config.model = "a \"quoted\" name";
  config.suites = {"folder:my docs"};
  config.recipes = {"knorm"};
  config.budgets = {"2x"};
  config.twins = config.check = true;
  const RunFacts facts{"m", "00ff", "fast", "avx2", "bf16", "0.1.0"};
  const RunConfig again = parse_config(to_yaml(recorded(config, facts)), "config.yaml");
  EXPECT_EQ(again.model, config.model);
  EXPECT_EQ(again.suites, config.suites);
  EXPECT_EQ(again.recipes, (std::vector<std::string>{"full", "knorm @ 2x"}));
  EXPECT_TRUE(again.twins);
  EXPECT_TRUE(again.check);
}

TEST(RunConfigFile, AFolderHoldsOneKindOfRun) {
  RunConfig config;
  config.recipes = {"knorm @ 2x"};
  const RunFacts facts{"m", "00ff", "fast", "avx2", "bf16", "0.1.0"};
  RunConfig more = config;
  more.recipes = {"random @ 2x"};
  more.suite.contexts = 20;
  more.check = true;
  const auto both = joined(recorded(config, facts), recorded(more, facts), "runs/x");
  EXPECT_EQ(both.config.recipes, (std::vector<std::string>{"full", "knorm @ 2x", "random @ 2x"}));
  EXPECT_EQ(both.config.suite.contexts, 20);
  EXPECT_TRUE(both.config.check);
  more.suite.tokens = 100;
  EXPECT_THROW(joined(recorded(config, facts), recorded(more, facts), "runs/x"), Error);
}

}  // namespace
}  // namespace pith::eval
