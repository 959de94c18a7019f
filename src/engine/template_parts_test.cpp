#include "engine/template_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/tiny_model.h"

namespace pith {
namespace {

using ::testing::ElementsAre;

class TemplateParts : public ::testing::Test {
 protected:
  static constexpr std::string_view kStandIns[] = {"[[one]]", "[[two]]"};
  std::vector<std::byte> bytes_ = test::tiny_model({});
  std::shared_ptr<Engine> engine_ = Engine::from(gguf::File::parse(bytes_, "tiny"), {.threads = 1});
};

TEST_F(TemplateParts, StandAroundTheStandIns) {
  const auto parts = template_parts(
      *engine_, "", {{"user", "[[one]]"}, {"assistant", "well"}, {"user", "so [[two]]?"}},
      kStandIns);
  ASSERT_TRUE(parts);
  EXPECT_THAT(
      *parts,
      ElementsAre("<|im_start|>user\n",
                  "<|im_end|>\n<|im_start|>assistant\nwell<|im_end|>\n<|im_start|>user\nso ",
                  "?<|im_end|>\n<|im_start|>assistant\n"));
}

TEST_F(TemplateParts, BeginWithTheSystemPrompt) {
  const auto parts = template_parts(*engine_, "Be brief.", {{"user", "[[one]][[two]]"}}, kStandIns);
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->front(), "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n");
  EXPECT_EQ((*parts)[1], "");
}

TEST_F(TemplateParts, AreNoneWhereAStandInIsLostOrOutOfOrder) {
  EXPECT_FALSE(template_parts(*engine_, "", {{"user", "[[one]]"}}, kStandIns));
  EXPECT_FALSE(template_parts(*engine_, "", {{"user", "[[two]][[one]]"}}, kStandIns));
}

}  // namespace
}  // namespace pith
