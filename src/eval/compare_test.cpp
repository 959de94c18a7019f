#include "eval/compare.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pith::eval {
namespace {

std::vector<Prediction> run(const std::string& recipe, const std::vector<double>& scores) {
  std::vector<Prediction> predictions;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    Prediction p;
    p.suite = "s";
    p.task = i % 2 == 0 ? "even" : "odd";
    p.document = std::to_string(i);
    p.item = "q";
    p.recipe = p.canonical = recipe;
    p.score = scores[i];
    predictions.push_back(p);
  }
  return predictions;
}

TEST(Compare, CountsWhatWasGainedAndLost) {
  const auto result = compare(run("r", {1, 1, 0, 0}), run("r", {1, 0, 1, 1}));
  ASSERT_EQ(result.size(), 3u);
  EXPECT_EQ(result[2].task, "all");
  EXPECT_EQ(result[2].gained, 2);
  EXPECT_EQ(result[2].lost, 1);
  EXPECT_DOUBLE_EQ(result[2].difference.difference.mean, 0.25);
}

TEST(Compare, AnyArmWithAnyOther) {
  const auto result = compare(run("x", {1, 1}), run("y", {0, 0}), "x", "y");
  EXPECT_EQ(result.back().recipe_b, "y");
  EXPECT_EQ(result.back().lost, 2);
}

TEST(Compare, LeavesOutWhatHasAnotherText) {
  auto a = run("r", {1, 1, 0, 0}), b = run("r", {1, 0, 1, 1});
  for (std::size_t i = 0; i < 4; ++i) {
    a[i].document_hash = "text " + std::to_string(i);
    b[i].document_hash = i < 2 ? a[i].document_hash : "another";
  }
  const auto result = compare(a, b);
  EXPECT_EQ(result.back().left_out, 2);
  EXPECT_EQ(result.back().difference.difference.n, 2);
  EXPECT_EQ(result.back().lost, 1);
  for (std::size_t i = 0; i < 2; ++i) b[i].question = "another?";
  EXPECT_THROW(compare(a, b), Error);
}

TEST(Compare, RefusesRunsWithNothingInCommon) {
  EXPECT_THROW(compare(run("x", {1, 1}), run("y", {0, 0})), Error);
}

}  // namespace
}  // namespace pith::eval
