#include "recipe/references.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "recipe/recipe_test_support.h"

namespace pith::recipe {
namespace {

using ::testing::FloatNear;
using ::testing::Pointwise;

TEST(References, SurprisalWeighsRowsBetweenBounds) {
  const std::vector<float> nats = {0, 2, 100};
  const float mean = (0.05f + 2 + 8) / 3;
  EXPECT_THAT(surprisal_weights(nats, 2),
              Pointwise(FloatNear(1e-5f), std::vector<float>{0.05f / mean, 2 / mean, 8 / mean,
                                                             0.05f / mean, 2 / mean, 8 / mean}));
}

TEST(References, PayASoftmaxOfTheirLogits) {
  const testing::World world = testing::make_world({.layers = 1, .tokens = 3});
  const Scene scene(world.cache, world.signals, nullptr);
  const Index depth = scene.shape().head_dim, rows = scene.group();
  // One query for each head: zeros look at all entries alike, a key's own multiple at that key.
  std::vector<float> queries(static_cast<std::size_t>(world.signals.query_heads * depth));
  for (Index d = 0; d < depth; ++d) queries[depth + d] = 100 * scene.keys(0)[depth + d];
  const auto weights = reference_weights(scene, 0, {queries, 1});
  ASSERT_EQ(std::ssize(weights), rows * 3);
  for (Index j = 0; j < 3; ++j) EXPECT_NEAR(weights[j], 1.0f / 3, 1e-6f);
  EXPECT_NEAR(weights[3 + 1], 1, 1e-3f);
}

TEST(References, PieceByPieceIsTheWhole) {
  const testing::World world = testing::make_world({.layers = 1, .tokens = 40});
  const Scene scene(world.cache, world.signals, nullptr);
  Rng rng(3);
  const Index count = 200;  // more rows than a piece has
  const auto queries =
      testing::normal(world.signals.query_heads * count * scene.shape().head_dim, rng);
  std::vector<float> pieces;
  Index calls = 0;
  for_reference_weights(scene, 0, {queries, count}, [&](std::span<const float> rows) {
    pieces.insert(pieces.end(), rows.begin(), rows.end());
    ++calls;
  });
  EXPECT_GT(calls, 1);
  EXPECT_EQ(pieces, reference_weights(scene, 0, {queries, count}));
}

}  // namespace
}  // namespace pith::recipe
