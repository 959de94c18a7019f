// summary: beside what is kept, one entry per chunk with the mean of its rotated keys and the mean
// of its values (S0). A mean of n keys loses the fast rotations: a component of frequency w shrinks
// by |sin(n w / 2) / (n sin(w / 2))|, which is why a summary attracts less than its tokens did.

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "recipe/parts/parts.h"
#include "recipe/references.h"
#include "recipe/summary_weights.h"

namespace pith::recipe {
namespace {

// The lane's entries by chunk of source tokens; chunks without entries are left out.
std::vector<std::vector<std::int32_t>> members(const Scene& scene, const Arguments& arguments,
                                               Index lane) {
  std::vector<std::vector<std::int32_t>> chunks(
      static_cast<std::size_t>(ceil_div(scene.signals().tokens, arguments.integer("chunk"))));
  const auto info = scene.info(lane);
  for (std::int32_t j = 0; j < std::ssize(info); ++j)
    chunks[token_of(info[j]) / arguments.integer("chunk")].push_back(j);
  std::erase_if(chunks, [](const auto& chunk) { return chunk.empty(); });
  return chunks;
}

// The tokens that an entry stands for; one that stands for none counts as one.
Index tokens_of(const cache::EntryInfo& entry) {
  return std::max<Index>(entry.span.end - entry.span.begin, 1);
}

// x <- sum_j weight_j row_j / sum_j weight_j, with an entry's weight the tokens that it stands for.
void add_mean(std::span<const float> rows, std::span<const std::int32_t> chunk,
              std::span<const cache::EntryInfo> info, Index depth, float tokens,
              std::vector<float>& out) {
  const std::size_t at = out.size();
  out.resize(at + static_cast<std::size_t>(depth));
  for (std::int32_t j : chunk) {
    const float share = static_cast<float>(tokens_of(info[j])) / tokens;
    for (Index i = 0; i < depth; ++i) out[at + i] += share * rows[j * depth + i];
  }
}

// A random direction of the same norm: the slot is there, its content is not.
void scramble(std::span<float> key, Rng& rng) {
  const Index n = std::ssize(key);
  const float norm = std::sqrt(dot(key.data(), key.data(), n));
  for (float& x : key) x = static_cast<float>(rng.normal());
  const float scale = norm / std::max(std::sqrt(dot(key.data(), key.data(), n)), 1e-12f);
  for (float& x : key) x *= scale;
}

// What fitted weights look at: as in match, or the question's own queries.
References references(const Scene& scene, Index layer, const Arguments& arguments) {
  const std::string_view queries = arguments.choice("queries");
  if (queries == "question")
    return {scene.layer(layer).question_queries, scene.signals().question_tokens};
  return references_of(scene, layer, queries, arguments.integer("references"));
}

void summarise(const Scene& scene, const Arguments& arguments, Index lane, cache::LanePlan& plan) {
  const Index depth = scene.shape().head_dim;
  const auto info = scene.info(lane);
  const std::vector<float> keys = scene.keys(lane), values = scene.values(lane);
  Rng rng(static_cast<std::uint64_t>(arguments.integer("seed")) * 0x10001u +
          static_cast<std::uint64_t>(lane));
  const bool fitted = arguments.choice("weight") == "fitted";
  std::vector<std::vector<std::int32_t>> missing;  // [summaries]: entries that do not stay
  for (const auto& chunk : members(scene, arguments, lane)) {
    std::vector<std::int32_t> gone;
    for (std::int32_t j : chunk)
      if (!std::binary_search(plan.keep.begin(), plan.keep.end(), j)) gone.push_back(j);
    if (gone.empty() && (fitted || arguments.choice("of_routed") == "drop")) continue;
    missing.push_back(std::move(gone));
    cache::EntryInfo entry{.span = info[chunk.front()].span, .kind = cache::EntryKind::summary};
    double position = 0, tokens = 0;
    for (std::int32_t j : chunk) {
      const double weight = static_cast<double>(tokens_of(info[j]));
      tokens += weight;
      position += weight * info[j].position;
      entry.span.begin = std::min(entry.span.begin, info[j].span.begin);
      entry.span.end = std::max(entry.span.end, info[j].span.end);
    }
    entry.position = static_cast<float>(position / tokens);
    if (arguments.choice("weight") == "log_count")
      entry.log_weight = static_cast<float>(std::log(tokens));
    plan.add.info.push_back(entry);
    add_mean(keys, chunk, info, depth, static_cast<float>(tokens), plan.add.keys);
    if (arguments.choice("keys") == "random")
      scramble(std::span(plan.add.keys).last(static_cast<std::size_t>(depth)), rng);
    if (arguments.choice("values") == "zero")
      plan.add.values.resize(plan.add.keys.size());
    else
      add_mean(values, chunk, info, depth, static_cast<float>(tokens), plan.add.values);
  }
  if (!fitted || missing.empty()) return;
  const Index layer = lane / scene.shape().kv_heads;
  const std::vector<float> weights =
      fitted_log_weights(scene, lane, references(scene, layer, arguments), missing, plan.add.keys);
  for (std::size_t c = 0; c < weights.size(); ++c) plan.add.info[c].log_weight = weights[c];
}

void realise(const Scene& scene, const Arguments& arguments, const Scores&, cache::Plan& plan) {
  scene.parallel(std::ssize(scene.lanes()), [&](Index i, int) {
    summarise(scene, arguments, scene.lanes()[i], plan.lanes[scene.lanes()[i]]);
  });
}

Index adds(const Scene& scene, const Arguments& arguments, Index lane) {
  return std::ssize(members(scene, arguments, lane));
}

SignalNeeds needs(const Arguments& arguments) {
  if (arguments.choice("weight") != "fitted") return {};
  if (arguments.choice("queries") == "question") return {.question_queries = true};
  return reference_needs(arguments.choice("queries"), arguments.integer("references"));
}

std::string_view refuses(const Arguments& arguments) {
  if (arguments.choice("weight") == "fitted") return "";
  return arguments.given("queries") || arguments.given("references")
             ? "queries and references are those of weight=fitted"
             : "";
}

}  // namespace

PartInfo summary_part() {
  return {.name = "summary",
          .kind = PartKind::realiser,
          .summary = "beside what is kept, one entry per chunk: mean rotated key, mean value",
          .source = "Normore (S0); log_count as in Multipole Attention, arXiv 2506.13059",
          .cost = Cost::keys,
          .parameters =
              {integer("chunk", "32", 1, 65536, "tokens of a summary"),
               choice("weight", {"none", "log_count", "fitted"},
                      "added to the logit: nothing, the log of the tokens that it stands for, or "
                      "what gives it the attention that the chunk's evicted tokens had from "
                      "reference queries (a chunk that is kept whole then has no summary)"),
               choice("queries", {"context", "repeat", "question"},
                      "of weight=fitted: the context's own queries moved behind it, those of a "
                      "replay, or the question's"),
               reference_count(),
               choice("of_routed", {"keep", "drop"},
                      "summaries of chunks of which every token is kept exact"),
               choice("values", {"mean", "zero"}, "zero: scaffold without content, a control arm"),
               choice("keys", {"mean", "random"}, "random: same norm, random direction, control"),
               integer("seed", "0", 0, 0x1p52, "of the random keys")},
          .needs = needs,
          .realise = realise,
          .refuses = refuses,
          .adds = adds,
          .required_allocator = [](const Arguments&) -> std::string_view { return "route"; }};
}

}  // namespace pith::recipe
