#include "base/progress.h"

#include <gtest/gtest.h>

#include "base/suggest.h"

namespace pith {
namespace {

TEST(Progress, ALineHasTheAmountTheSpeedAndTheTimeLeft) {
  EXPECT_EQ(render_progress({.label = "model",
                             .done = 60'000'000,
                             .total = 120'000'000,
                             .before = 20'000'000,
                             .seconds = 10},
                            100),
            "model  [############            ]  50%  60.0/120.0 MB  4.0 MB/s  0:15 left");
}

TEST(Progress, WhatIsUnknownIsLeftOut) {
  EXPECT_EQ(render_progress({.label = "model", .done = 1'500'000}, 100), "model  1.5 MB");
  EXPECT_EQ(render_progress({.label = "prefill",
                             .done = 3000,
                             .total = 3000,
                             .seconds = 2,
                             .unit = ProgressUnit::items},
                            100),
            "prefill  [########################] 100%  3000/3000  1500/s");
}

TEST(Progress, WhatTakesSecondsEachHasNoRate) {
  EXPECT_EQ(
      render_progress(
          {.label = "documents", .done = 2, .total = 4, .seconds = 8, .unit = ProgressUnit::items},
          100),
      "documents  [############            ]  50%  2/4  4.0 s each  0:08 left");
}

TEST(Progress, ALongLabelIsCutBeforeTheNumbers) {
  EXPECT_EQ(render_progress({.label = "a very long name of a model", .done = 1'500'000}, 20),
            "a very lo...  1.5 MB");
}

TEST(Progress, AwayFromATerminalAShortStepPrintsNothing) {
  std::FILE* out = std::tmpfile();
  ASSERT_NE(out, nullptr);
  {
    ProgressBar bar(ProgressUnit::bytes, out);
    for (Index i = 0; i <= 1000; ++i) bar.update("step", i, 1000);
  }
  EXPECT_EQ(std::ftell(out), 0);
  std::fclose(out);
}

TEST(Suggest, TheNearestNamesComeFirst) {
  const std::vector<std::string> known{"snapkv", "knorm", "expected_attention", "attention"};
  EXPECT_EQ(nearest_names("snapvk", known), (std::vector<std::string>{"snapkv"}));
  EXPECT_EQ(nearest_names("Atention", known), (std::vector<std::string>{"attention"}));
  EXPECT_EQ(nearest_names("attention", known),
            (std::vector<std::string>{"attention", "expected_attention"}));
  EXPECT_TRUE(nearest_names("zzzzzzzz", known).empty());
}

}  // namespace
}  // namespace pith
