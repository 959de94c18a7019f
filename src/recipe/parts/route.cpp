// route: keeps whole the few chunks that the question asks for, and beside them the most important
// (or most recent) tokens: the exact half of S0, "summaries everywhere + routed exact chunks".
// Without a budget it keeps `retain` tokens; with one, retain is what room is left.

#include <algorithm>
#include <numeric>

#include "recipe/parts/parts.h"
#include "recipe/routing.h"
#include "recipe/select.h"
#include "recipe/units.h"

namespace pith::recipe {
namespace {

// The chunks that are kept, as tokens: widened by the overlap on both sides.
std::vector<bool> routed_tokens(const Scene& scene, const Arguments& arguments,
                                const std::vector<Chunk>& chunks, std::span<const Index> layers) {
  const Index tokens = scene.signals().tokens, overlap = arguments.integer("overlap");
  std::vector<bool> routed(static_cast<std::size_t>(tokens));
  if (arguments.integer("chunks") == 0 || layers.empty()) return routed;
  const auto seed = static_cast<std::uint64_t>(arguments.integer("seed")) * 0x10001u;
  const std::vector<float> scores =
      arguments.flag("random")
          ? random_routes(scene, chunks, seed + static_cast<std::uint64_t>(layers[0]))
          : route_scores(scene, chunks, arguments.choice("router"), layers);
  for (std::int32_t c : best_entries(scores, arguments.integer("chunks")))
    for (Index t = std::max<Index>(chunks[c].begin - overlap, 0);
         t < std::min(chunks[c].end + overlap, tokens); ++t)
      routed[t] = true;
  return routed;
}

// Units in the order in which they are retained.
std::vector<std::int32_t> retain_order(const Scene& scene, const Arguments& arguments,
                                       const Units& units, const Scores& scores,
                                       std::vector<float>& score) {
  score = unit_scores(scene, units, scores);
  if (arguments.choice("exact") == "recent")
    for (std::size_t u = 0; u < score.size(); ++u)
      if (score[u] != kPinned) score[u] = static_cast<float>(u);
  std::vector<std::int32_t> order(score.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return score[a] != score[b] ? score[a] > score[b] : a > b;
  });
  return order;
}

// Routing looks at the question, not at the room: it is done once.
void prepare(const Scene& scene, const Arguments& arguments, Scores& scores) {
  const Index tokens = scene.signals().tokens, length = arguments.integer("chunk");
  const std::vector<Chunk> chunks =
      arguments.choice("borders") == "sentence"
          ? sentence_chunks(tokens, length, scene.signals().sentence_starts)
          : fixed_chunks(tokens, length);
  const auto layers = scene.layers();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const bool alone = arguments.choice("scope") == "per_layer";
    scores.routed.push_back(!alone && i > 0 ? scores.routed[0]
                                            : routed_tokens(scene, arguments, chunks,
                                                            alone ? layers.subspan(i, 1) : layers));
  }
}

Selection allocate(const Scene& scene, const Arguments& arguments, const Scores& scores) {
  const Units units = make_units(scene);
  std::vector<float> score;
  const auto order = retain_order(scene, arguments, units, scores, score);

  // taken[layer][unit], and how many lanes of the layer hold the unit.
  const std::size_t layers = scene.layers().size();
  std::vector<std::vector<bool>> taken(layers);
  std::vector<std::vector<Index>> holders(layers, std::vector<Index>(score.size()));
  Index used = 0;
  for (std::size_t i = 0; i < layers; ++i) {
    for (Index head = 0; head < scene.shape().kv_heads; ++head)
      for (std::int32_t u : units.of_entry[scene.shape().lane(scene.layers()[i], head)])
        ++holders[i][u];
    for (std::size_t u = 0; u < score.size(); ++u) {
      const cache::Span span = units.spans[u];
      taken[i].push_back(score[u] == kPinned || scores.routed[i][(span.begin + span.end - 1) / 2]);
      if (taken[i][u]) used += holders[i][u];
    }
  }

  const Index most = scene.room().bounded ? units.size() : arguments.integer("retain");
  for (Index rank = 0; rank < std::min(most, units.size()); ++rank) {
    const std::int32_t unit = order[rank];
    Index cost = 0;
    for (std::size_t i = 0; i < layers; ++i) cost += taken[i][unit] ? 0 : holders[i][unit];
    if (score[unit] == kNever || (scene.room().bounded && used + cost > scene.room().total)) break;
    used += cost;
    for (std::size_t i = 0; i < layers; ++i) taken[i][unit] = true;
  }

  Selection selection;
  selection.keep.resize(scores.lanes.size());
  for (std::size_t i = 0; i < layers; ++i)
    for (Index head = 0; head < scene.shape().kv_heads; ++head) {
      const Index lane = scene.shape().lane(scene.layers()[i], head);
      for (std::int32_t j = 0; j < scene.size(lane); ++j)
        if (taken[i][units.of_entry[lane][j]]) selection.keep[lane].push_back(j);
    }
  return selection;
}

SignalNeeds needs(const Arguments& arguments) {
  return {.question_queries = arguments.integer("chunks") > 0 && !arguments.flag("random"),
          .sentences = arguments.choice("borders") == "sentence"};
}

std::string_view refuses(const Arguments& arguments) {
  const bool looks = arguments.integer("chunks") > 0 && !arguments.flag("random");
  return arguments.integer("reroute") > 0 && !looks
             ? "reroute asks for other chunks as the answer grows, but no chunk is asked for here"
             : "";
}

bool needs_scorer(const Arguments& arguments) {
  const bool retains = !arguments.given("retain") || arguments.integer("retain") > 0;
  return retains && arguments.choice("exact") == "importance";
}

}  // namespace

PartInfo route_part() {
  return {.name = "route",
          .kind = PartKind::allocator,
          .summary = "keeps the chunks that the question asks for, and the most important tokens",
          .source = "Normore (S0); router and sizes as inferred from its numbers",
          .cost = Cost::window,
          .parameters =
              {integer("chunks", "3", 0, 65536, "routed chunks kept exact (S0's k)"),
               integer("retain", "1024", 0, 1 << 24,
                       "tokens retained beside them (S0's r), the same for all lanes; with a "
                       "budget it is solved from that and must not be given"),
               integer("chunk", "32", 1, 65536, "tokens of a chunk"),
               choice("borders", {"fixed", "sentence"}, "where chunks are cut"),
               integer("overlap", "0", 0, 65536, "tokens kept on both sides of a routed chunk"),
               choice("router", {"A", "B", "C"},
                      "A: the question's attention on the chunk; B: its queries times the chunk's "
                      "mean key; C: the largest attention on one token of the chunk"),
               choice("scope", {"global", "per_layer"}, "whether layers route together or alone"),
               choice("exact", {"importance", "recent"},
                      "which tokens are retained: best by the scorer, or newest"),
               integer("reroute", "0", 0, 65536,
                       "routes again after so many tokens of the answer, by question and answer "
                       "so far: the full cache is kept for that; 0: routes once"),
               flag("random", "false", "random chunks instead: a control arm"),
               integer("seed", "0", 0, 0x1p52, "of the random chunks")},
          .needs = needs,
          .prepare = prepare,
          .allocate = allocate,
          .owns_choice = true,
          .refuses = refuses,
          .needs_scorer = needs_scorer,
          .again_every = [](const Arguments& a) { return a.integer("reroute"); },
          .sizes_itself = true,
          .sized_by = "retain"};
}

}  // namespace pith::recipe
