#include "probe/places.h"

#include <gmock/gmock.h>

namespace pith::probe {
namespace {

using testing::ElementsAre;

TEST(Places, FindsWholeWordsInAnyCase) {
  const auto places = find_places("The heron. HERON-1 herons, Heron", "heron");
  ASSERT_EQ(places.size(), 3u);
  EXPECT_EQ(places[0].begin, 4);
  EXPECT_EQ(places[1].begin, 11);
  EXPECT_EQ(places[2].begin, 27);
}

TEST(Places, TakesAlternatives) {
  const auto places = find_places("one two three", "three | one");
  ASSERT_EQ(places.size(), 2u);
  EXPECT_EQ(places[0].begin, 0);
  EXPECT_EQ(places[1].end, 13);
  EXPECT_TRUE(find_places("one two", "four").empty());
  EXPECT_TRUE(find_places("one two", " ").empty());
}

TEST(Places, ATokenCountsIfAnyOfItsBytesDoes) {
  const TokenSpan tokens[] = {{1, 0, 4}, {2, 4, 9}, {3, 9, 12}};
  EXPECT_THAT(tokens_of({5, 10}, tokens, 7), ElementsAre(8, 9));
  EXPECT_THAT(tokens_of({4, 9}, tokens, 0), ElementsAre(1));
}

}  // namespace
}  // namespace pith::probe
