// route_floor: a token whose every copy is gone cannot be recalled, however good the rest is.
// Before lanes compete, each content token is given its `routes` best lanes, by its rank among the
// lane's scores; the rest of the room goes to one cut through all scores, as with global.

#include <algorithm>
#include <numeric>

#include "recipe/parts/parts.h"
#include "recipe/select.h"

namespace pith::recipe {
namespace {

struct Copy {   // of a token
  double rank;  // 1 is the best of its lane, 0 the worst
  std::int32_t lane, entry;
};

std::vector<std::vector<Copy>> copies_by_token(const Scene& scene, const Scores& scores) {
  std::vector<std::vector<Copy>> copies(static_cast<std::size_t>(scene.signals().tokens));
  for (Index lane : scene.lanes()) {
    const auto& own = scores.lanes[lane];
    std::vector<std::int32_t> order(own.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return own[a] != own[b] ? own[a] < own[b] : a < b;
    });
    for (std::size_t i = 0; i < order.size(); ++i)
      if (own[order[i]] != kNever)
        copies[token_of(scene.info(lane)[order[i]])].push_back(
            {static_cast<double>(i + 1) / static_cast<double>(order.size()),
             static_cast<std::int32_t>(lane), order[i]});
  }
  return copies;
}

// The tokens that are worth a route, the least expected first: above the median surprisal, or all.
std::vector<Index> content_tokens(const Scene& scene, bool all) {
  std::vector<Index> tokens;
  for (Index t = scene.signals().prefix_tokens; t < scene.signals().tokens; ++t)
    tokens.push_back(t);
  if (all) return tokens;
  const auto& surprisal = scene.signals().surprisal;
  std::sort(tokens.begin(), tokens.end(), [&](Index a, Index b) {
    return surprisal[a] != surprisal[b] ? surprisal[a] > surprisal[b] : a < b;
  });
  tokens.resize((tokens.size() + 1) / 2);
  return tokens;
}

// The region of layers in which at most one route may lie; -1 where it does not matter.
Index region_of(const Scene& scene, std::string_view place, Index lane) {
  const auto layers = scene.layers();
  const Index layer = lane / scene.shape().kv_heads;
  const Index i = std::lower_bound(layers.begin(), layers.end(), layer) - layers.begin();
  if (place == "thirds") return i * 3 / std::ssize(layers);
  return -1;
}

void reserve(const Scene& scene, const Arguments& arguments, std::vector<Copy>& copies,
             Scores& scores) {
  const auto place = arguments.choice("place");
  const auto early = [&](const Copy& copy) {
    return copy.lane / scene.shape().kv_heads <=
           scene.layers()[std::min<Index>(1, std::ssize(scene.layers()) - 1)];
  };
  std::sort(copies.begin(), copies.end(), [&](const Copy& a, const Copy& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.lane < b.lane;
  });
  if (place == "early") {  // the best of the first two layers comes first
    const auto found = std::find_if(copies.begin(), copies.end(), early);
    if (found != copies.end()) std::rotate(copies.begin(), found, found + 1);
  }
  std::vector<Index> used;
  Index left = arguments.integer("routes");
  for (const Copy& copy : copies) {
    if (left == 0) break;
    const Index region = region_of(scene, place, copy.lane);
    if (region >= 0 && std::find(used.begin(), used.end(), region) != used.end()) continue;
    used.push_back(region);
    scores.reserved.push_back({copy.lane, copy.entry});
    --left;
  }
}

void prepare(const Scene& scene, const Arguments& arguments, Scores& scores) {
  auto copies = copies_by_token(scene, scores);
  const bool all = arguments.choice("content") == "all";
  for (Index token : content_tokens(scene, all)) reserve(scene, arguments, copies[token], scores);
}

Selection allocate(const Scene& scene, const Arguments& arguments, const Scores& scores) {
  const auto most =
      static_cast<std::size_t>(static_cast<double>(scene.room().total) * arguments.real("share"));
  Scores raised;
  raised.lanes = scores.lanes;
  for (std::size_t i = 0; i < std::min(most, scores.reserved.size()); ++i) {
    float& score = raised.lanes[scores.reserved[i].lane][scores.reserved[i].entry];
    score = std::max(score, kForced);
  }
  Selection selection;
  selection.keep.resize(scores.lanes.size());
  const std::vector<Index> sure(scene.lanes().size());
  best_jointly(raised, scene.lanes(), scene.room().total, sure, selection);
  return selection;
}

}  // namespace

PartInfo route_floor_part() {
  return {.name = "route_floor",
          .kind = PartKind::allocator,
          .summary = "each content token stays in its best lanes; one global cut for the rest",
          .source = "pith; GER after arXiv 2603.01426",
          .cost = Cost::logits,
          .parameters =
              {integer("routes", "1", 1, 64, "lanes in which each content token stays"),
               choice("content", {"surprisal", "all"},
                      "which tokens: those above the document's median surprisal, or all"),
               choice("place", {"best", "thirds", "early"},
                      "best: in any lanes; thirds: at most one in each third of the layers; early: "
                      "the first of them in the first two layers"),
               real("share", "0.5", 0, 1, "of the room, at most, for all of this")},
          .needs =
              [](const Arguments& arguments) {
                return SignalNeeds{.surprisal = arguments.choice("content") == "surprisal"};
              },
          .prepare = prepare,
          .allocate = allocate};
}

}  // namespace pith::recipe
