#include "cli/run_report.h"

#include <gtest/gtest.h>

namespace pith::cli {
namespace {

TEST(RunReport, AnAnswerIsRightWhenItContainsAnExpectedText) {
  EXPECT_TRUE(is_right("It is Berit\n Falk.", "berit falk"));
  EXPECT_TRUE(is_right("Berit Falk", "Berit"));
  EXPECT_TRUE(is_right("the clock", "Aas | clock"));
  EXPECT_TRUE(
      is_right("\xe2\x80\x9c"
               "Berit"
               "\xe2\x80\x9d",
               "Berit"));  // in curly quotes
  EXPECT_FALSE(is_right("Nobody", "Berit | Aas"));
  EXPECT_FALSE(is_right("anything", ""));
}

TEST(RunReport, NotWithinAWordOrNumber) {
  EXPECT_FALSE(is_right("15", "5"));
  EXPECT_FALSE(is_right("51 boxes", "5"));
  EXPECT_TRUE(is_right("15 of 5", "5"));
  EXPECT_TRUE(is_right("5kg", "5"));
  EXPECT_TRUE(is_right("HERON-4471", "4471"));
  EXPECT_FALSE(is_right("I do not know", "no"));
}

}  // namespace
}  // namespace pith::cli
