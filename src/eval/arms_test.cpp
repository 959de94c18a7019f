#include "eval/arms.h"

#include <gtest/gtest.h>

#include <optional>

#include "base/error.h"

namespace pith::eval {
namespace {

std::optional<ErrorCode> refusal(std::string_view text) {
  try {
    parse_arm(text);
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}

std::vector<std::string> names(const RunConfig& config) {
  std::vector<std::string> all;
  for (const RunArm& arm : all_arms(config)) all.push_back(arm.name());
  return all;
}

TEST(Arms, TheScheduleIsPartOfTheName) {
  EXPECT_EQ(parse_arm("knorm @ 2x").name(), "knorm @ 2x");
  EXPECT_EQ(parse_arm("knorm @ 2x when prefill").name(), "knorm @ 2x");
  EXPECT_EQ(parse_arm("knorm @ 2x when turn").name(), "knorm @ 2x when turn");
  EXPECT_EQ(parse_arm("knorm @ 2x when chunk:64").to_string(),
            "knorm + uniform + drop + bf16 @ 2x when chunk:64");
}

TEST(Arms, BudgetsComeBeforeTheSchedule) {
  RunConfig config;
  config.recipes = {"knorm when again", "random @ 3x"};
  config.budgets = {"2x", "4x"};
  EXPECT_EQ(names(config), (std::vector<std::string>{"full", "knorm @ 2x when again",
                                                     "knorm @ 4x when again", "random @ 3x"}));
}

TEST(Arms, FullTakesNoBudgetByAnyOfItsNames) {
  RunConfig config;
  config.recipes = {"no_press", "full", "knorm"};
  config.budgets = {"2x"};
  EXPECT_EQ(names(config), (std::vector<std::string>{"full", "knorm @ 2x"}));
}

TEST(Arms, QuotesHideBudgetsAndSchedules) {
  RunConfig config;
  config.recipes = {"virtual(encoder='a@b') then knorm when turn"};
  config.budgets = {"2x"};
  EXPECT_EQ(names(config).at(1), "virtual(encoder='a@b') then knorm @ 2x when turn");
  EXPECT_EQ(parse_arm("virtual(encoder='a when b')").schedule.when, When::prefill);
}

TEST(Arms, NoneTwice) {
  RunConfig config;
  config.recipes = {"knorm @ 2x", "knorm @ 2x when turn", "knorm @ 0.5", "full"};
  config.baseline = "knorm @ 2x when turn";
  EXPECT_EQ(arm_count(config), std::ssize(names(config)));
  EXPECT_EQ(std::ssize(names(config)), 4);
}

TEST(Arms, RefusedBeforeAnythingIsRead) {
  EXPECT_EQ(refusal("knrm @ 2x when turn"), ErrorCode::bad_recipe);
  EXPECT_EQ(refusal("knorm @ 2x when sometimes"), ErrorCode::bad_input);
  EXPECT_EQ(refusal("knorm @ 2x when every:8"), ErrorCode::bad_input);
  EXPECT_EQ(refusal("summary_route(k=1, r=64) when turn"), ErrorCode::bad_recipe);
}

TEST(Arms, TwinsAreOfWhatChooses) {
  EXPECT_FALSE(has_twins(parse_arm("full")));
  EXPECT_FALSE(has_twins(parse_arm("random @ 2x")));
  EXPECT_TRUE(has_twins(parse_arm("knorm @ 2x when turn")));
  EXPECT_EQ(label_of(kTwins[0], parse_arm("knorm @ 2x when turn")).recipe,
            "random at the bytes of knorm @ 2x when turn");
}

}  // namespace
}  // namespace pith::eval
