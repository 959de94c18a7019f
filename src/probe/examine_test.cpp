#include "probe/examine.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "support/tiny_model.h"

namespace pith::probe {
namespace {

constexpr std::string_view kText =
    "The code of the shed is HERON-4471. Berit signs for the fuel. The key hangs in the clock.";

std::shared_ptr<Engine> tiny_engine(const test::TinyModelOptions& model) {
  static std::vector<std::unique_ptr<std::vector<std::byte>>> files;  // the engines look into them
  files.push_back(std::make_unique<std::vector<std::byte>>(test::tiny_model(model)));
  return Engine::from(gguf::File::parse(*files.back(), "tiny"),
                      {.threads = 2, .numerics = Numerics::exact});
}

class Examine : public testing::Test {
 protected:
  Report run(const std::vector<std::string>& recipes, std::vector<Question> questions = {},
             const test::TinyModelOptions& model = {}) {
    const auto engine = tiny_engine(model);
    ExamineOptions options;
    options.max_tokens = 4;
    options.replay_tokens = 16;
    options.questions = std::move(questions);
    options.judge = [](Index, std::string_view) { return Judgement::wrong; };
    for (const auto& recipe : recipes) {
      options.arms.push_back({std::ssize(options.series), std::numeric_limits<double>::quiet_NaN(),
                              recipe::Recipe::parse(recipe)});
      options.series.push_back(recipe);
    }
    return examine(engine, kText, DocumentPrompt(*engine, kText), options);
  }
};

TEST_F(Examine, TheFullCacheHasLostNothing) {
  const Report report = run({"knorm + f32 @ 0"}, {{.text = "Who signs?", .answer = "Berit"}});
  ASSERT_EQ(report.arms.size(), 2u);
  for (const ArmReport& arm : report.arms) {  // a recipe that removes nothing is the full cache
    EXPECT_EQ(arm.removed, 0);
    EXPECT_EQ(arm.eviction.max, 0);
    EXPECT_EQ(arm.ger.all, 0);
    EXPECT_LT(arm.replay.kl, 1e-6);
    EXPECT_EQ(arm.replay.top1, 1);
    EXPECT_LT(arm.answers.kl, 1e-6);
    EXPECT_NEAR(arm.replay.surprisal, arm.replay.surprisal_full, 1e-5);
    EXPECT_TRUE(arm.questions[0].reachable);
    EXPECT_EQ(arm.questions[0].outcome, Outcome::wrong_uncompressed);
    EXPECT_DOUBLE_EQ(arm.overlap.all, 1);
  }
}

TEST_F(Examine, EvictionShows) {
  const Report report =
      run({"random @ 0.5", "random @ 0.9"}, {{.text = "Who signs?", .answer = "Berit"}});
  const ArmReport &half = report.arms[1], &little = report.arms[2];
  EXPECT_NEAR(half.removed, 0.5, 0.02);
  EXPECT_LT(half.eviction.all, little.eviction.all);
  EXPECT_LT(half.eviction.all, half.eviction.mean);
  EXPECT_GT(little.answers.kl, 0);
  EXPECT_GT(little.replay.kl, 0);
  EXPECT_LE(little.ger.all, *std::min_element(little.ger.layers.begin(), little.ger.layers.end()));
  EXPECT_GE(half.questions[0].disjoint_routes, half.questions[0].direct_routes);
  EXPECT_EQ(half.questions[0].reachable, half.questions[0].disjoint_routes > 0);
}

TEST_F(Examine, ErasedAnswersAreOutOfReach) {
  // Only the newest tokens are left; the code stands at the beginning.
  const Report report =
      run({"recency @ 8tok"}, {{.text = "What is the code?", .answer = "HERON-4471"}});
  const AnswerReport& answer = report.arms[1].questions[0];
  EXPECT_TRUE(answer.all_gone);
  EXPECT_DOUBLE_EQ(answer.ger.all, 1);
  EXPECT_FALSE(answer.reachable);
  EXPECT_EQ(answer.disjoint_routes, 0);
  EXPECT_EQ(answer.answer_mass, 0);
}

TEST_F(Examine, PlacesMayBeGiven) {
  const Report report =
      run({"recency @ 8tok"}, {{.text = "Where?", .answer = "at home", .places = {{{0, 3}}}}});
  EXPECT_EQ(report.questions[0].places.size(), 1u);
  EXPECT_DOUBLE_EQ(report.arms[1].ger.all, 1);
}

TEST_F(Examine, AQuestionMayLimitItsAnswer) {
  const Report report = run({"random @ 0.5"}, {{.text = "Who signs?", .max_tokens = 1},
                                               {.text = "Who signs?", .max_tokens = 9},
                                               {.text = "Who signs?"}});
  for (const ArmReport& arm : report.arms) {
    EXPECT_LE(arm.questions[0].fidelity.rows, 1);
    EXPECT_LE(arm.questions[2].fidelity.rows, 4);
    EXPECT_GT(arm.questions[1].fidelity.rows, arm.questions[2].fidelity.rows);
  }
}

TEST_F(Examine, WhereThereIsAJudgeEveryQuestionIsJudged) {
  const Report report = run({"random @ 0.5"}, {{.text = "Who was it?"}});  // not in the text
  for (const ArmReport& arm : report.arms) {
    EXPECT_EQ(arm.questions[0].judgement, Judgement::wrong);
    EXPECT_EQ(arm.judged, 1);
    EXPECT_EQ(arm.hallucinated, 1);
  }
}

TEST_F(Examine, SummariesAreMeasured) {
  const Report report = run({"s0_route_only(routes=1)", "summary_route(routes=1, retain=8)"},
                            {{.text = "Who signs?", .answer = "Berit"}});
  EXPECT_EQ(report.arms[1].summaries.summaries, 0);
  const ArmReport& summarised = report.arms[2];
  EXPECT_GT(summarised.summaries.summaries, 0);
  EXPECT_GT(summarised.summaries.norm, 0);
  EXPECT_LT(summarised.summaries.norm, 1);
  EXPECT_LT(summarised.summaries.logit, summarised.summaries.best_logit);
  EXPECT_GT(summarised.watched.summary_mass, 0);
}

TEST_F(Examine, RecipesThatLookAtTheQuestionAreCarriedOutForEach) {
  const std::vector<Question> two = {{.text = "Who signs?"}, {.text = "Where is the key?"}};
  const Report report = run({"question_attention @ 0.5"}, two);
  ASSERT_EQ(report.series.size(), 2u);
  EXPECT_EQ(report.series[1].name, "question_attention @ 0.5 [question 2]");
  EXPECT_EQ(report.arms[2].questions.size(), 1u);
  EXPECT_EQ(report.arms[2].questions[0].question, 1);
  EXPECT_THROW(run({"question_attention @ 0.5"}), Error);
}

TEST_F(Examine, WorksWithoutQuestionsAndWithWindows) {
  const Report report = run({"random @ 0.5"}, {},
                            {.architecture = "gemma3", .sliding_window = 16, .sliding_pattern = 2});
  EXPECT_GT(report.arms[1].replay.kl, 0);
  EXPECT_NEAR(report.arms[1].removed, 0.5, 0.02);
  EXPECT_EQ(report.arms[1].watched.consensus.size(), 2u);
  EXPECT_EQ(report.arms[1].answers.rows, 0);
  EXPECT_EQ(report.surprisal.size(), static_cast<std::size_t>(report.tokens));
}

TEST_F(Examine, ConsensusLiesBetweenItsBounds) {
  const Report report = run({"random @ 0.8"}, {{.text = "Who signs?", .answer = "Berit"}});
  for (const ArmReport& arm : report.arms)
    for (const auto* layers : {&arm.watched.consensus, &arm.watched.without_sinks})
      for (const Consensus& layer : *layers) {  // four query heads
        EXPECT_GE(layer.head_diversity, 0.25);
        EXPECT_LE(layer.head_diversity, 1);
        EXPECT_GE(layer.agreement, 0.25);
        EXPECT_LE(layer.agreement, 1);
      }
}

}  // namespace
}  // namespace pith::probe
