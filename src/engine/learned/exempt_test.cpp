#include "engine/learned/exempt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pith {
namespace {

using ::testing::ElementsAre;

TEST(Exempt, TheTokenUnlikeItsNeighbours) {
  std::vector<std::vector<float>> values = {{1, 0, 1, 0, 1, 0, 0, 9, 1, 0, 1, 0}};  // [6, 1, 2]
  EXPECT_THAT(unlike_their_neighbours(values, 1, 2, 0.15), ElementsAre(3));
  EXPECT_EQ(unlike_their_neighbours(values, 1, 2, 0.5).size(), 3u);
}

TEST(Exempt, PathsImportsAndLiteralsWithATokenOnEitherSide) {
  const std::vector<std::string> path = {"see", " the", " file", " a/", "b", " now", " please"};
  EXPECT_THAT(of_code(path), ElementsAre(2, 3, 4, 5));
  const std::vector<std::string> imports = {"x", "\n", "import", " os", "\n", "y", "z"};
  EXPECT_THAT(of_code(imports), ElementsAre(2, 3, 4));
  const std::vector<std::string> literal = {"a", " b", " '", "out", "'", " c", " d"};
  EXPECT_THAT(of_code(literal), ElementsAre(1, 2, 3, 4, 5));
}

TEST(Exempt, PlainProseHasNone) {
  const std::vector<std::string> prose = {"It", " isn", "'", "t", " raining"};
  EXPECT_TRUE(of_code(prose).empty());
}

}  // namespace
}  // namespace pith
