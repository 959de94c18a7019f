// summary: beside what is kept, one entry per chunk with the mean of its rotated keys and the mean
// of its values (S0). A mean of n keys loses the fast rotations: a component of frequency w shrinks
// by |sin(n w / 2) / (n sin(w / 2))|, which is why a summary attracts less than its tokens did.

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "recipe/parts/parts.h"

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

void summarise(const Scene& scene, const Arguments& arguments, Index lane, cache::LanePlan& plan) {
  const Index depth = scene.shape().head_dim;
  const auto info = scene.info(lane);
  const std::vector<float> keys = scene.keys(lane), values = scene.values(lane);
  Rng rng(static_cast<std::uint64_t>(arguments.integer("seed")) * 0x10001u +
          static_cast<std::uint64_t>(lane));
  for (const auto& chunk : members(scene, arguments, lane)) {
    const bool kept = std::all_of(chunk.begin(), chunk.end(), [&](std::int32_t j) {
      return std::binary_search(plan.keep.begin(), plan.keep.end(), j);
    });
    if (kept && arguments.choice("of_routed") == "drop") continue;
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
}

void realise(const Scene& scene, const Arguments& arguments, const Scores&, cache::Plan& plan) {
  scene.parallel(std::ssize(scene.lanes()), [&](Index i, int) {
    summarise(scene, arguments, scene.lanes()[i], plan.lanes[scene.lanes()[i]]);
  });
}

Index adds(const Scene& scene, const Arguments& arguments, Index lane) {
  return std::ssize(members(scene, arguments, lane));
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
               choice("weight", {"none", "log_count"},
                      "added to the logit: nothing, or the log of the tokens that it stands for"),
               choice("of_routed", {"keep", "drop"},
                      "summaries of chunks of which every token is kept exact"),
               choice("values", {"mean", "zero"}, "zero: scaffold without content, a control arm"),
               choice("keys", {"mean", "random"}, "random: same norm, random direction, control"),
               integer("seed", "0", 0, 0x1p52, "of the random keys")},
          .realise = realise,
          .adds = adds,
          .required_allocator = [](const Arguments&) -> std::string_view { return "route"; }};
}

}  // namespace pith::recipe
