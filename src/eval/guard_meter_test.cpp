// What the guard's measurements say, by hand.

#include "eval/guard_meter.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace pith::eval {
namespace {

GuardMeasurement measured(std::vector<double> rises, std::vector<double> losses, Index right = 4) {
  GuardMeasurement one{.suite = "kv",
                       .document = "d",
                       .questions = 5,
                       .right = right,
                       .signals = {},
                       .ratios = {},
                       .losses = losses};
  for (const double rise : rises) {
    one.signals.push_back(
        {.damage = {.rise = rise, .worst = 2 * rise, .missed = 0.5, .routes = 0}});
    one.ratios.push_back(2 * static_cast<double>(one.signals.size()));
    one.signals.back().ratio = one.ratios.back();
  }
  return one;
}

TEST(GuardMeter, LinesReadBack) {
  const auto one = measured({0.125, 0.5}, {0, 0.25});
  EXPECT_EQ(parse_measurement(to_line(one)), one);
  EXPECT_THROW(parse_measurement("{}"), Error);
  EXPECT_THROW(parse_measurement(R"({"suite": "a", "document": "b", "questions": 1, "right": 1,
                                     "ratios": [1], "losses": []})"),
               Error);
}

TEST(GuardMeter, RungsThatCannotBeMetAreNeverChosen) {
  const GuardRecord record = record_of(measured({0.125}, {0.25}), 3);
  EXPECT_EQ(record.losses, (std::vector<double>{0.25, 0.25, 0.25}));
  EXPECT_TRUE(std::isinf(record.signals[2]));
}

// Ratios 2, 4 where the threshold is passed once or twice; the third document has nothing to lose.
TEST(GuardMeter, OutcomesAreMeansOverDocuments) {
  const std::vector<GuardMeasurement> three = {
      measured({0.1, 0.2}, {0, 0.5}), measured({0.1, 0.9}, {0.25, 1}), measured({0, 0}, {0, 0}, 0)};
  const GuardOutcome outcome = outcome_at(three, 0.3);
  EXPECT_EQ(outcome.documents, 2);
  EXPECT_EQ(outcome.right, 8);
  EXPECT_DOUBLE_EQ(outcome.risk.mean, 0.375);
  EXPECT_DOUBLE_EQ(outcome.ratio, 2 / 0.75);
  EXPECT_DOUBLE_EQ(outcome.whole, 0);
  EXPECT_DOUBLE_EQ(outcome_at(three, 0.01).whole, 1);
  EXPECT_DOUBLE_EQ(outcome_at(three, 0.01).ratio, 1);
}

}  // namespace
}  // namespace pith::eval
