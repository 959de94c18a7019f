#include "engine/signals/structure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pith {
namespace {

using ::testing::ElementsAre;

TEST(Structure, SeparatorsCountHowOftenTheyOccur) {
  const std::vector<std::string> pieces = {"red", ",", " blue", ",", " green", ".", "\n"};
  EXPECT_THAT(structure_counts(pieces), ElementsAre(0, 2, 0, 2, 0, 1, 1));
}

TEST(Structure, PunctuationInsideWordsAndNumbersIsContent) {
  const std::vector<std::string> pieces = {"1", ",", "234", ",", " a", ".", "b", "_", "c"};
  EXPECT_THAT(structure_counts(pieces), ElementsAre(0, 0, 0, 1, 0, 0, 0, 0, 0));
}

TEST(Structure, BytesBeyondAsciiBelongToWords) {
  const std::vector<std::string> pieces = {"na", "\xc3\xaf", "ve", ";"};
  EXPECT_THAT(structure_counts(pieces), ElementsAre(0, 0, 0, 1));
}

}  // namespace
}  // namespace pith
