// The forward pass against llama.cpp with all tensors and activations in f32
// (tests/golden/logits-*.json; tolerances in docs/numerics.md). Models that are not
// on this machine are skipped by name.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/files.h"
#include "engine/context.h"
#include "support/golden.h"
#include "support/models.h"

namespace pith {
namespace {

using nlohmann::json;

struct Tolerance {
  Numerics numerics;
  double logit, log_prob, mean_nll;
  double share;  // of the log-probs that must be within `log_prob`
};
constexpr Tolerance kExact{Numerics::exact, 0.02, 0.03, 0.001, 1.0};
constexpr Tolerance kFast{Numerics::fast, 1.0, 0.4, 0.02, 0.99};

void check_top20(const json& expected, std::span<const float> logits, double tolerance,
                 const std::string& where) {
  for (const auto& pair : expected)
    EXPECT_NEAR(logits[pair[0].get<std::size_t>()], pair[1].get<double>(), tolerance)
        << where << ", token " << pair[0];
}

void check_log_probs(const json& expected, const std::vector<float>& actual,
                     const Tolerance& tolerance, const std::string& where) {
  ASSERT_EQ(expected.size(), actual.size()) << where;
  Index outside = 0;
  double worst = 0, nll = 0, expected_nll = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    nll -= static_cast<double>(actual[i]);
    expected_nll -= expected[i].get<double>();
    if (i == 0 && tolerance.numerics == Numerics::fast)
      continue;  // a known outlier of 8-bit activations: the first token's are huge
    const double difference = std::abs(static_cast<double>(actual[i]) - expected[i].get<double>());
    worst = std::max(worst, difference);
    outside += difference > tolerance.log_prob;
  }
  const auto n = static_cast<double>(actual.size());
  EXPECT_LE(static_cast<double>(outside), (1 - tolerance.share) * n)
      << where << ", worst " << worst;
  EXPECT_NEAR(nll / n, expected_nll / n, tolerance.mean_nll) << where;
}

// Follows the golden continuation and compares choices where the margin is wide enough to decide.
void check_greedy(Context& context, const json& golden, double tolerance,
                  const std::string& where) {
  for (std::size_t step = 0; step < golden["greedy_ids"].size(); ++step) {
    const Token expected = golden["greedy_ids"][step].get<Token>();
    const auto logits = context.logits();
    const auto best =
        static_cast<Token>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    if (golden["greedy_margin"][step].get<double>() > tolerance) {
      EXPECT_EQ(best, expected) << where << ", step " << step;
    }
    context.read(std::span(&expected, 1));
  }
}

class Golden : public testing::TestWithParam<std::tuple<std::string, Tolerance>> {};

TEST_P(Golden, LogitsMatchLlamaCpp) {
  const auto& [name, tolerance] = GetParam();
  const auto path = test::find_model(name);
  if (path.empty())
    GTEST_SKIP() << "no model " << name << " here; fetch it with: pith pull " << name;
  const auto golden = json::parse(read_file(test::golden_path("logits-" + name + ".json")));
  const auto engine = Engine::load(path, {.numerics = tolerance.numerics});
  for (const auto& prompt : golden["prompts"]) {
    const auto where = name + ", prompt " + prompt["name"].get<std::string>();
    const auto ids = engine->tokenizer().encode(
        prompt["text"].get<std::string>(), {.parse_special = prompt["parse_special"].get<bool>(),
                                            .add_special = prompt["add_special"].get<bool>()});
    ASSERT_EQ(ids, prompt["ids"].get<std::vector<Token>>()) << where;
    const auto& exact = prompt["exact"];
    Context context(engine);
    if (exact.contains("logprobs")) {
      check_log_probs(exact["logprobs"], context.read_and_score(ids), tolerance, where);
    } else {
      context.read(ids);
    }
    check_top20(exact["top20"], context.logits(), tolerance.logit, where);
    if (exact.contains("greedy_ids")) check_greedy(context, exact, tolerance.logit, where);
  }
}

INSTANTIATE_TEST_SUITE_P(
    AllModels, Golden,
    testing::Combine(testing::Values("smollm2-135m-instruct", "gemma3-270m",
                                     "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"),
                     testing::Values(kExact, kFast)),
    [](const auto& test) {
      std::string name = std::get<0>(test.param) +
                         (std::get<1>(test.param).numerics == Numerics::exact ? "_exact" : "_fast");
      std::replace_if(
          name.begin(), name.end(),
          [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
      return name;
    });

}  // namespace
}  // namespace pith
