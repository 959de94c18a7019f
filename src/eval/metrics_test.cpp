#include "eval/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace pith::eval {
namespace {

Prediction prediction(const std::string& recipe, int document, double score) {
  Prediction p;
  p.suite = "s";
  p.task = "t";
  p.document = std::to_string(document);
  p.item = "q";
  p.recipe = recipe + " as given";
  p.canonical = recipe;
  p.score = score;
  p.failure = score == 1 ? "none" : "fabricated";
  p.full_bytes = 100;
  p.cache_bytes = recipe == "full" ? 100 : 50;
  return p;
}

// `full` answers documents 0 to 5 of 8, `half` the even ones, its twin nothing.
std::vector<Prediction> example() {
  std::vector<Prediction> all;
  for (int document = 0; document < 8; ++document) {
    all.push_back(prediction("full", document, document < 6 ? 1 : 0));
    all.push_back(prediction("half", document, document % 2 == 0 ? 1 : 0));
    all.push_back(prediction("random", document, 0));
    all.back().twin = "random";
    all.back().twin_of = "half";
  }
  return all;
}

TEST(Metrics, PairEachArmWithFull) {
  const auto arms = compute_metrics(example());
  ASSERT_EQ(arms.size(), 6u);  // three arms in task t, three in all
  const ArmMetrics& half = arms[4];
  EXPECT_EQ(half.task, "all");
  EXPECT_EQ(half.score.mean, 0.5);
  EXPECT_EQ(half.ratio, 2.0);
  EXPECT_EQ(half.against("full")->measured.difference.mean, -0.25);
  EXPECT_EQ(half.against("full")->other_score, 0.75);
  EXPECT_EQ(half.failures.at("fabricated"), 4);
  EXPECT_EQ(half.documents, 8);
  EXPECT_EQ(arms[3].against("full"), nullptr);
}

TEST(Metrics, RepeatsIsTheMeanOverDocumentsThatWereChecked) {
  auto all = example();
  EXPECT_TRUE(std::isnan(compute_metrics(all)[4].repeats));
  for (Prediction& p : all)
    if (p.canonical == "half" && p.document == "0") p.check = SpanDamage{.missed = 0.2, .known = 1};
  Prediction later =
      prediction("half", 1, 1);  // its first item was answered before there were checks
  later.item = "r";
  later.check = SpanDamage{.missed = 0.4, .known = 0.5};
  all.push_back(later);
  Prediction nothing = prediction("half", 2, 1);
  nothing.item = "r";
  nothing.check = SpanDamage{};  // the whole cache repeats nothing there
  all.push_back(nothing);
  EXPECT_DOUBLE_EQ(compute_metrics(all)[4].repeats, 0.7);
}

TEST(Predictions, AChecksNumbersReadBack) {
  Prediction p = prediction("half", 0, 1);
  EXPECT_EQ(parse_line(to_line(p)).check, std::nullopt);
  p.check = SpanDamage{.rise = 1, .worst = 2, .missed = 0.25, .routes = 0.5, .known = 0.75};
  EXPECT_EQ(parse_line(to_line(p)).check, p.check);
  p.check->rise = std::nan("");
  EXPECT_TRUE(std::isnan(parse_line(to_line(p)).check->rise));
}

TEST(Metrics, ConditionalCountsWhatFullAnswers) {
  const auto arms = compute_metrics(example());
  EXPECT_EQ(arms[4].conditional.n, 6);
  EXPECT_EQ(arms[4].conditional.mean, 0.5);
}

TEST(Metrics, PairEachArmWithItsTwin) {
  const auto arms = compute_metrics(example());
  EXPECT_EQ(arms[4].against("random")->measured.difference.mean, 0.5);
  EXPECT_EQ(arms[4].against("random")->to, "random as given");
  EXPECT_EQ(arms[5].against("random"), nullptr);
}

TEST(Metrics, AnswersToOtherQuestionsAreNotPaired) {
  auto predictions = example();
  for (auto& p : predictions) {
    const bool again = p.canonical == "full" || p.document == "0";
    p.question = again ? "new" : "old";
  }
  const auto arms = compute_metrics(predictions);
  EXPECT_EQ(arms[3].left_out, 0);
  const ArmMetrics& half = arms[4];
  EXPECT_EQ(half.left_out, 7);
  EXPECT_EQ(half.score.n, 8);
  EXPECT_EQ(half.against("full")->measured.difference.n, 1);
  EXPECT_EQ(half.conditional.n, 1);
  EXPECT_EQ(half.against("random")->measured.difference.n, 8);  // both to the old ones
  for (auto& p : predictions) p.document_hash = p.canonical;
  EXPECT_EQ(compute_metrics(predictions)[4].against("full"), nullptr);
}

TEST(Metrics, AnyArmCanBeTheBaseline) {
  for (const char* name : {"half", "half as given"}) {
    const auto arms = compute_metrics(example(), name);
    EXPECT_EQ(arms[3].against("baseline")->measured.difference.mean, 0.25);
    EXPECT_EQ(arms[4].against("baseline"), nullptr);
    EXPECT_EQ(arms[4].against("full")->measured.difference.mean, -0.25);
  }
  EXPECT_THROW(compute_metrics(example(), "nothing"), Error);
}

TEST(Metrics, ABaselineMayBeSpelledOtherwise) {
  auto predictions = example();
  for (auto& p : predictions) {
    if (p.canonical == "half") p.canonical = "knorm + uniform + drop + bf16 @ 2x";
    if (p.twin_of == "half") p.twin_of = "knorm + uniform + drop + bf16 @ 2x";
  }
  const auto arms = compute_metrics(predictions, "knorm @ 2x");
  EXPECT_EQ(arms[3].against("baseline")->measured.difference.mean, 0.25);
}

TEST(Metrics, OrderMeansNothing) {
  auto predictions = example();
  const auto forward = compute_metrics(predictions);
  std::reverse(predictions.begin(), predictions.end());
  auto backward = compute_metrics(predictions);
  EXPECT_EQ(forward[3].score.low, backward[5].score.low);
  EXPECT_EQ(forward[4].against("full")->measured.p_value,
            backward[4].against("full")->measured.p_value);
}

TEST(Metrics, CertaintyIsNeverClaimed) {
  std::vector<Prediction> all;
  for (int document = 0; document < 4; ++document)
    for (const char* item : {"a", "b"}) {
      all.push_back(prediction("full", document, 1));
      all.back().item = item;
    }
  const auto arms = compute_metrics(all);
  EXPECT_EQ(arms[0].score.n, 8);
  EXPECT_NEAR(arms[0].score.low, 0.51, 0.005);  // Wilson's of 4 of 4
  EXPECT_EQ(arms[0].score.high, 1);
}

TEST(Metrics, EveryFigureOfTheFileHasItsN) {
  const auto json = nlohmann::json::parse(metrics_json(compute_metrics(example()), "full"));
  const auto& half = json["arms"][4];
  for (const char* field : {"recipe", "task", "n", "score", "ci_low", "ci_high", "cache_bytes",
                            "ratio", "sees_question", "documents", "worst_decile_n"})
    EXPECT_TRUE(half.contains(field)) << field;
  EXPECT_EQ(half["difference"]["to"], "full as given");
  EXPECT_EQ(half["difference"]["n"], 8);
  EXPECT_EQ(half["conditional"]["n"], 6);
  EXPECT_EQ(half["twins"]["random"]["n"], 8);
  EXPECT_EQ(json["arms"][3]["difference"], nullptr);
}

}  // namespace
}  // namespace pith::eval
