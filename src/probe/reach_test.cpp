#include "probe/reach.h"

#include <gmock/gmock.h>

#include "base/rng.h"

namespace pith::probe {
namespace {

using testing::ElementsAre;

// Two layers, two heads, tokens 0..4; token 4 asks, token 0 is the answer. Layer 1 (read first from
// above): head 0 joins 4 to 2. Layer 0: head 1 joins 2 to 0, head 0 joins 3 to 1.
AttentionGraph chain() {
  AttentionGraph graph(2, 2, 5);
  graph.add(1, 0, 4, 2);
  graph.add(0, 1, 2, 0);
  graph.add(0, 0, 3, 1);
  return graph;
}
const std::vector<Index> kAsked = {4}, kAnswer = {0}, kOther = {1};

TEST(Reach, FollowsLayersDownwards) {
  EXPECT_THAT(chain().reached(kAsked), ElementsAre(1, 0, 1, 0, 1));
}

TEST(Reach, DoesNotClimbBackUp) {
  AttentionGraph graph(2, 1, 3);
  graph.add(0, 0, 2, 1);  // below ...
  graph.add(1, 0, 1, 0);  // ... and above: 2 -> 1 happens before 1 -> 0 could be used
  const std::vector<Index> asked = {2};
  EXPECT_THAT(graph.reached(asked), ElementsAre(0, 1, 1));
}

TEST(Reach, CountsRoutesThatShareNoHead) {
  AttentionGraph graph = chain();
  EXPECT_EQ(graph.direct_routes(kAsked, kAnswer), 0);
  EXPECT_EQ(graph.disjoint_routes(kAsked, kAnswer), 1);
  EXPECT_EQ(graph.disjoint_routes(kAsked, kOther), 0);
  graph.add(1, 1, 4, 0);
  EXPECT_EQ(graph.direct_routes(kAsked, kAnswer), 1);
  EXPECT_EQ(graph.disjoint_routes(kAsked, kAnswer), 2);
  graph.add(1, 0, 4, 3);  // 4 -> 3 by a head that the first path has, so no third
  graph.add(0, 0, 3, 0);
  EXPECT_EQ(graph.disjoint_routes(kAsked, kAnswer), 2);
}

TEST(Reach, RoutesExistIfAndOnlyIfSomethingIsReached) {
  Rng rng(5);
  for (int trial = 0; trial < 200; ++trial) {
    AttentionGraph graph(3, 2, 70);
    for (int edge = 0; edge < 90; ++edge) {
      const auto from = static_cast<Index>(1 + rng.uniform() * 69);
      graph.add(static_cast<Index>(rng.uniform() * 3), static_cast<Index>(rng.uniform() * 2), from,
                static_cast<Index>(rng.uniform() * static_cast<double>(from)));
    }
    const std::vector<Index> asked = {69, 68}, answer = {3, 4};
    const auto reached = graph.reached(asked);
    const Index routes = graph.disjoint_routes(asked, answer);
    EXPECT_EQ(routes > 0, reached[3] || reached[4]);
    EXPECT_GE(routes, graph.direct_routes(asked, answer));
    EXPECT_LE(routes, 6);
  }
}

TEST(Reach, PrunedRowsSumToOne) {
  std::vector<float> row = {0.5f, 0.25f, 0.125f, 0.125f};
  const std::uint8_t kept[] = {0, 1, 1, 1}, none[] = {0, 0, 0, 0};
  prune_row(row, kept);
  EXPECT_THAT(row, ElementsAre(0.0f, 0.5f, 0.25f, 0.25f));
  prune_row(row, none);
  EXPECT_THAT(row, ElementsAre(0.0f, 0.0f, 0.0f, 0.0f));
}

}  // namespace
}  // namespace pith::probe
