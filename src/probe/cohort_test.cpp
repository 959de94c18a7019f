#include "probe/cohort.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pith::probe {
namespace {

TEST(Cohort, PearsonOfThreePoints) {
  const double a[] = {0, 1, 2}, up[] = {1, 3, 5}, bent[] = {0, 1, 0}, flat[] = {2, 2, 2};
  EXPECT_NEAR(pearson(a, up), 1, 1e-12);
  EXPECT_NEAR(pearson(a, bent), 0, 1e-12);
  EXPECT_TRUE(std::isnan(pearson(a, flat)));
}

// One document with one arm and two questions, the second of which states no answer.
Report document(double ger, Judgement first, Judgement second) {
  Report report;
  report.questions = {{.text = "a", .answer = "x", .places = {{1}}}, {.text = "b", .answer = "y"}};
  ArmReport& arm = report.arms.emplace_back();
  arm.request = 0;
  arm.ratio = 0.5;
  arm.eviction.all = ger / 2;
  arm.questions = {{.question = 0,
                    .judgement = first,
                    .outcome = Outcome::erased,
                    .ger = {.all = ger},
                    .pooled = {1}},
                   {.question = 1, .judgement = second, .outcome = Outcome::unused, .pooled = {2}}};
  return report;
}

TEST(Cohort, MeansOverQuestionsAndDocuments) {
  Cohort cohort;
  cohort.add(document(1, Judgement::wrong, Judgement::right), {});
  cohort.add(document(0.5, Judgement::abstained, Judgement::right), {});
  const auto cells = cohort.finish();
  ASSERT_EQ(cells.size(), 1u);
  EXPECT_EQ(cells[0].documents, 2);
  EXPECT_EQ(cells[0].stated, 2);
  EXPECT_EQ(cells[0].judged, 4);
  EXPECT_DOUBLE_EQ(cells[0].ger, 0.75);
  EXPECT_DOUBLE_EQ(cells[0].eviction, 0.375);
  EXPECT_DOUBLE_EQ(cells[0].right, 0.5);
  EXPECT_DOUBLE_EQ(cells[0].hallucinated, 0.25);
  EXPECT_EQ(cells[0].outcomes.at(Outcome::erased), 2);
  EXPECT_FALSE(cells[0].probed);
}

// Two documents whose GER and invented answers rise together at three ratios, but for the second
// document's last point: however they are drawn, r stays between that of either alone.
TEST(Cohort, CorrelatesOverResampledDocuments) {
  Cohort cohort;
  const double ger[2][3] = {{0, 0.5, 1}, {0, 0.5, 0.75}};
  const bool wrong[2][3] = {{false, true, true}, {false, false, true}};
  for (int d = 0; d < 2; ++d) {
    Facts facts{
        .task = "t", .document = std::to_string(d), .tags = {{}}, .alone = {{}}, .arms = {}};
    for (Index a = 0; a < 3; ++a) {
      QuestionFacts answer{.stated = true, .ger = ger[d][a]};
      answer.judgement = wrong[d][a] ? Judgement::wrong : Judgement::right;
      facts.arms.push_back({.request = a, .questions = {answer}});
    }
    cohort.add(facts);
  }
  const Index requests[] = {0, 1, 2};
  const Correlation found = cohort.ger_and_invented(requests);
  const double mean_ger[] = {0, 0.5, 0.875}, mean_wrong[] = {0, 0.5, 1};
  EXPECT_EQ(found.documents, 2);
  EXPECT_NEAR(found.r, pearson(mean_ger, mean_wrong), 1e-12);
  EXPECT_NEAR(found.low, pearson(ger[1], std::vector<double>{0, 0, 1}), 1e-12);
  EXPECT_LE(found.low, found.high);
}

TEST(Cohort, CountsADocumentOnceHoweverOftenItIsExamined) {
  Cohort cohort;
  Facts facts{.task = "t", .document = "d", .tags = {}, .alone = {}, .arms = {}};
  facts.arms.push_back({.request = 0});
  cohort.add(facts);
  facts.arms[0].eviction = 1;
  cohort.add(facts);
  const Cell cell = cohort.finish().at(0);
  EXPECT_EQ(cell.documents, 1);
  EXPECT_EQ(cell.examinations, 2);
  EXPECT_DOUBLE_EQ(cell.eviction, 0.5);
}

TEST(Cohort, SharesByTag) {
  Cohort cohort;
  Facts facts{.task = "t",
              .document = "d",
              .tags = {{{"answer_type", "Person"}, {"depth", "12"}}},
              .alone = {{}},
              .arms = {}};
  facts.arms.push_back({.request = 0, .head_diversity = {0.5, 0.25}, .questions = {{}}});
  facts.arms[0].questions[0].judgement = Judgement::wrong;
  cohort.add(facts);
  const Cell cell = cohort.finish().at(0);
  ASSERT_EQ(cell.tags.size(), 1u);
  EXPECT_EQ(cell.tags.at("answer_type=Person").hallucinated, 1);
  EXPECT_EQ(cell.diversity_by_layer, (std::vector<double>{0.5, 0.25}));
}

TEST(Cohort, ProbesLabels) {
  Cohort cohort;
  const std::string labels[] = {"place", "person"};
  for (int i = 0; i < 4; ++i) cohort.add(document(0, Judgement::right, Judgement::right), labels);
  const auto cells = cohort.finish();
  EXPECT_TRUE(cells[0].probed);
  EXPECT_DOUBLE_EQ(cells[0].probe.macro_f1, 1);  // 1 is a place, 2 a person
  EXPECT_FALSE(cohort.without_text());
}

TEST(Cohort, ProbesQuestionsAlone) {
  Cohort cohort;
  const std::string labels[] = {"place", "person"};
  for (int i = 0; i < 4; ++i) {
    Report report = document(0, Judgement::right, Judgement::right);
    report.questions[0].pooled_alone = report.questions[1].pooled_alone = {3};  // nothing to tell
    cohort.add(report, labels);
  }
  EXPECT_NEAR(cohort.without_text()->macro_f1, 1.0 / 3,
              1e-12);  // always the same answer: F1 2/3, 0
}

}  // namespace
}  // namespace pith::probe
