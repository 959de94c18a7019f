#include "engine/learned/pooling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace pith {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;

const std::vector<Index> kTurns = {1495, 54, 250, 22, 189, 24, 242, 33, 1579, 26};

Index total(double ratio) {
  Index sum = 0;
  for (Index turn : kTurns) sum += virtual_count(turn, ratio);
  return sum;
}

// The counts of the source's result files: other roundings of halves give other sums.
TEST(Pooling, CountsRoundHalvesToEven) {
  EXPECT_EQ(virtual_count(189, 2), 94);
  EXPECT_EQ(virtual_count(33, 2), 16);
  EXPECT_EQ(virtual_count(1495, 2), 748);
  EXPECT_EQ(total(1.5), 2610);
  EXPECT_EQ(total(2), 1957);
  EXPECT_EQ(total(2.5), 1567);
  EXPECT_EQ(total(3), 1304);
  EXPECT_EQ(total(3.5), 1116);
  EXPECT_EQ(total(4), 978);
}

TEST(Pooling, AtLeastOneAndAtMostAll) {
  EXPECT_EQ(virtual_count(1, 8), 1);
  EXPECT_EQ(virtual_count(3, 0.5), 3);
}

TEST(Pooling, StepsPer250Tokens) {
  std::vector<Index> steps;
  for (Index turn : kTurns) steps.push_back(virtual_steps(turn, 300, 100));
  EXPECT_THAT(steps, ElementsAre(1794, 100, 300, 100, 227, 100, 290, 100, 1895, 100));
}

TEST(Pooling, EvenChunksTruncate) {
  EXPECT_THAT(even_chunks(10, 4),
              ElementsAre(TokenRange{0, 2}, TokenRange{2, 5}, TokenRange{5, 7}, TokenRange{7, 10}));
  EXPECT_THAT(even_chunks(22, 9),
              ElementsAre(TokenRange{0, 2}, TokenRange{2, 4}, TokenRange{4, 7}, TokenRange{7, 9},
                          TokenRange{9, 12}, TokenRange{12, 14}, TokenRange{14, 17},
                          TokenRange{17, 19}, TokenRange{19, 22}));
}

TEST(Pooling, EvenChunksPartitionEveryTurn) {
  for (Index turn : kTurns) {
    Index next = 0;
    for (const TokenRange& chunk : even_chunks(turn, virtual_count(turn, 2))) {
      EXPECT_EQ(chunk.begin, next);
      next = chunk.end;
    }
    EXPECT_EQ(next, turn);
  }
}

TEST(Pooling, EqualSurprisalChunks) {
  const std::vector<float> surprisal = {0, 8, 1, 1, 2, 4};
  EXPECT_THAT(equal_surprisal_chunks(surprisal, 2),
              ElementsAre(TokenRange{0, 2}, TokenRange{2, 6}));
  const std::vector<float> none = {0, 0, 0};
  EXPECT_THAT(equal_surprisal_chunks(none, 3),
              ElementsAre(TokenRange{0, 1}, TokenRange{1, 2}, TokenRange{2, 3}));
}

TEST(Pooling, PositionsIncludeBothEnds) {
  EXPECT_THAT(interpolated_positions(100, 109, 4), ElementsAre(100, 103, 106, 109));
  EXPECT_THAT(interpolated_positions(7, 9, 1), ElementsAre(7));
}

TEST(Pooling, WeightsAreASoftmaxOfNats) {
  const std::vector<float> two = {0, 0.7f}, far = {5.2f, 1.1f};
  EXPECT_THAT(surprisal_weights(two),
              ElementsAre(FloatNear(0.331812f, 1e-5f), FloatNear(0.668188f, 1e-5f)));
  EXPECT_THAT(surprisal_weights(far),
              ElementsAre(FloatNear(0.983698f, 1e-5f), FloatNear(0.016302f, 1e-5f)));
}

TEST(Pooling, PooledIsTheWeightedMean) {
  const std::vector<float> rows = {1, 10, 2, 20, 3, 30}, weights = {0.25f, 0.75f};
  EXPECT_THAT(pooled(rows, 2, {1, 3}, weights), ElementsAre(2.75f, 27.5f));
}

}  // namespace
}  // namespace pith
