// Adjusters and realisers against what kvpress did (tests/golden/presses): its stored scores and
// cache go in, kept sets, values and channels come out.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "recipe/planner.h"
#include "recipe/recipe.h"
#include "support/golden.h"
#include "support/npz.h"

namespace pith::recipe {
namespace {

using pith::test::Array;
using pith::test::Npz;

constexpr Index kHeads = 3, kTokens = 197, kDepth = 64;  // SmolLM2's

Npz golden(const std::string& name) {
  return Npz::open(test::golden_path("presses/smollm2__" + name + ".npz"));
}

std::vector<float> slice(const Array& array, Index index, Index size) {
  const auto first = array.data.begin() + index * size;
  return {first, first + size};
}

// The three layers of the golden context as a cache of three layers.
struct Golden {
  cache::Cache cache{{3, kHeads, kDepth, {}}, {}, cache::Format::f32};
  Signals signals;
  std::vector<Index> layers;  // where they stood in the model

  Golden() {
    const Npz npz = golden("context");
    for (float l : npz.at("layers").data) layers.push_back(static_cast<Index>(l));
    signals.tokens = signals.next_position = kTokens;
    signals.query_heads = npz.at("queries_pre_rope").shape[1];
    for (Index s = 0; s < 3; ++s) {
      std::vector<float> keys(kTokens * kHeads * kDepth), values = keys;
      for (Index h = 0; h < kHeads; ++h)
        for (Index t = 0; t < kTokens; ++t)
          for (Index i = 0; i < kDepth; ++i) {
            const Index from = ((s * kHeads + h) * kTokens + t) * kDepth + i;
            keys[(t * kHeads + h) * kDepth + i] = npz.at("keys_post_rope").data[from];
            values[(t * kHeads + h) * kDepth + i] = npz.at("values").data[from];
          }
      cache.append(s, keys, values, 0, 0);
      LayerSignals own;
      own.projected_values = slice(npz.at("wov_l1"), s, kHeads * kTokens);
      signals.layers.push_back(std::move(own));
    }
  }

  std::set<Index> kept(const Npz& npz, Index lane) const {
    std::set<Index> out;
    const Index row = (layers[lane / kHeads] * kHeads + lane % kHeads) * kTokens;
    for (Index j = 0; j < kTokens; ++j)
      if (npz.at("kept_mask").data[row + j] != 0) out.insert(j);
    return out;
  }
};

Golden& real() {
  static Golden context;
  return context;
}

// Adjusters, allocator and refinement of a recipe on stored scores: the entries of every lane. What
// kvpress protected has the largest score there is.
Selection select(const std::string& recipe, double removed, const Array& stored) {
  const Stage stage = read_stages(recipe).at(0);
  Scene scene(real().cache, real().signals, nullptr);
  scene.set_room(
      room_of_fraction(removed, {std::vector<Index>(9, kTokens), std::vector<Index>(9, 0), 9}));
  Scores scores;
  for (Index lane = 0; lane < 9; ++lane) scores.lanes.push_back(slice(stored, lane, kTokens));
  for (const Part& part : stage.adjusters) part.info->adjust(scene, part.arguments, scores);
  Selection selection = stage.allocator.info->allocate(scene, stage.allocator.arguments, scores);
  for (const Part& part : stage.adjusters)
    part.info->refine(scene, part.arguments, scores, selection);
  return selection;
}

TEST(GoldenShapes, CriticalKeepsTheSameEntries) {
  const auto check = [](const std::string& file, const std::string& recipe, double removed,
                        const char* scores) {
    const Npz npz = golden(file);
    const Selection mine = select(recipe, removed, npz.at(scores));
    for (Index lane = 0; lane < 9; ++lane) {
      const auto& keep = mine.keep[lane];
      EXPECT_EQ(std::set<Index>(keep.begin(), keep.end()), real().kept(npz, lane))
          << file << " with \"" << recipe << "\", lane " << lane;
    }
  };
  for (const char* sizes : {"score", "product"}) {
    const std::string recipe = std::string("knorm + critical(sizes=") + sizes + ") @ 0.5";
    check("criticalkv_expected_attention_r50", recipe, 0.5, "inner_scores");
    check("criticalkv_expected_attention_r80", recipe, 0.8, "inner_scores");
    check("criticalkv_snapkv_r50", recipe, 0.5, "inner_scores");
  }
  check("critical_adakv_expected_attention_r50", "knorm + critical + adakv @ 0.5", 0.5, "scores");
  check("critical_adakv_expected_attention_r80", "knorm + critical + adakv @ 0.8", 0.8, "scores");
}

TEST(GoldenShapes, HeadsCompeteByCriticalsProduct) {
  const Npz inner = golden("criticalkv_expected_attention_r50");
  const Npz npz = golden("adakv_criticalkv_expected_attention_r50");
  const Selection mine =
      select("knorm + critical(sizes=product) + adakv @ 0.5", 0.5, inner.at("inner_scores"));
  for (Index lane = 0; lane < 9; ++lane) {
    const auto& keep = mine.keep[lane];
    EXPECT_EQ(std::set<Index>(keep.begin(), keep.end()), real().kept(npz, lane)) << lane;
  }
}

// Kept values in the order of the cache against kvpress', whose rows are in top-k order.
TEST(GoldenShapes, MergedValuesAreTheSame) {
  const auto check = [](const std::string& file, const std::string& recipe, double removed) {
    const Npz npz = golden(file);
    const Stage stage = read_stages(recipe).at(0);
    Scene scene(real().cache, real().signals, nullptr);
    const Index count = kept_of(kTokens, removed);
    cache::Plan plan;
    plan.lanes.resize(9);
    for (Index lane = 0; lane < 9; ++lane)
      for (Index j : real().kept(npz, lane))
        plan.lanes[lane].keep.push_back(static_cast<std::int32_t>(j));
    stage.realiser.info->realise(scene, stage.realiser.arguments, {}, plan);
    for (Index lane = 0; lane < 9; ++lane) {
      const auto order = slice(npz.at("cache_order"), lane, count);
      const auto expected = slice(npz.at("values_out"), lane, count * kDepth);
      double worst = 0, largest = 0;
      for (Index row = 0; row < count; ++row) {
        const auto& keep = plan.lanes[lane].keep;
        const Index at =
            std::lower_bound(keep.begin(), keep.end(), static_cast<std::int32_t>(order[row])) -
            keep.begin();
        for (Index i = 0; i < kDepth; ++i) {
          largest = std::max(largest, std::abs(double{expected[row * kDepth + i]}));
          worst = std::max(worst, std::abs(double{plan.lanes[lane].values[at * kDepth + i]} -
                                           double{expected[row * kDepth + i]}));
        }
      }
      EXPECT_LT(worst, 1e-5 * largest) << file << " lane " << lane;
    }
  };
  check("merging_knorm_r50", "knorm + merge @ 0.5", 0.5);
  check("merging_snapkv_t05_f05_r80", "knorm + merge(threshold=0.5, fraction=0.5) @ 0.8", 0.8);
}

TEST(GoldenShapes, ThinkZeroesTheSameChannels) {
  const Npz npz = golden("think_w32_r50");
  Golden& context = real();
  const Array& queries = npz.at("window_queries");  // [3, Hq, 32, D]
  context.signals.window = queries.shape[2];
  for (Index s = 0; s < 3; ++s)
    context.signals.layers[s].window_queries = slice(queries, s, queries.size() / 3);
  const cache::Plan plan =
      Recipe::parse("recency + think @ 0").plan(0, context.cache, context.signals);
  for (Index lane = 0; lane < 9; ++lane) {
    const Index row = (context.layers[lane / kHeads] * kHeads + lane % kHeads) * kDepth;
    for (Index i = 0; i < kDepth; ++i)
      EXPECT_EQ(plan.lanes[lane].keys[i] == 0, npz.at("zeroed_channels").data[row + i] != 0)
          << "lane " << lane << ", channel " << i;
  }
}

}  // namespace
}  // namespace pith::recipe
