// match: what stays is fitted to answer like the whole lane did. For reference queries from behind
// the context, multiplicities (log-weights) restore the mass and new values restore the output,
// both in closed form, lane by lane (Attention Matching). With keys=omp the lane's entries are
// chosen anew, as many as the allocator gave it, so that their mass explains the most. The fit sees
// the keys as the stage's format will store them; the new values are rounded after it.

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "recipe/matching.h"
#include "recipe/parts/parts.h"
#include "recipe/references.h"
#include "recipe/row_kernels.h"

namespace pith::recipe {
namespace {

// In place of 0, which would put an entry into a tile apart from its neighbours' for nothing.
constexpr float kLeastLogWeight = 1e-6f;

// Chooses the lane's entries anew, as many as there are. Protected entries stay, the chat
// template's and the first tokens whatever they earn, and those that are stored in another format
// than the rest.
void choose_anew(const Scene& scene, Index lane, std::span<const float> p,
                 const MultiplicityFit& fit, std::span<const float> scores, cache::LanePlan& plan) {
  const Index first = std::max<Index>(scene.signals().prefix_tokens, 4);
  std::map<std::int32_t, cache::Format> apart;
  std::vector<std::int32_t> fixed;
  for (std::size_t i = 0; i < plan.keep.size(); ++i) {
    const std::int32_t j = plan.keep[i];
    const bool other = !plan.formats.empty() && plan.formats[i] != plan.format;
    if (other) apart[j] = plan.formats[i];
    if (other || is_protected(scores[j]) || scene.info(lane)[j].span.end <= first)
      fixed.push_back(j);
  }
  plan.keep = pursue(p, scene.size(lane), std::ssize(plan.keep), fixed, fit);
  for (std::size_t i = 0; i < plan.formats.size(); ++i) {
    const auto found = apart.find(plan.keep[i]);
    plan.formats[i] = found == apart.end() ? *plan.format : found->second;
  }
}

std::vector<float> rows_of(std::span<const float> matrix, Index depth,
                           std::span<const std::int32_t> keep) {
  std::vector<float> out;
  out.reserve(keep.size() * static_cast<std::size_t>(depth));
  for (std::int32_t j : keep)
    out.insert(out.end(), matrix.begin() + j * depth, matrix.begin() + (j + 1) * depth);
  return out;
}

// What the rows of a lane's references count; empty: all alike.
std::vector<float> row_weights(const Scene& scene, const Arguments& arguments,
                               const References& references) {
  if (arguments.choice("weights") == "none") return {};
  if (std::ssize(references.surprisal) != references.count)
    fail(ErrorCode::bad_input,
         "match(weights=surprisal): the references come without the surprisal of what they "
         "predict; collect the signals with the recipe's needs()");
  return surprisal_weights(references.surprisal, scene.group());
}

SignalNeeds needs(const Arguments& arguments) {
  SignalNeeds needs = reference_needs(arguments);
  needs.surprisal = arguments.choice("weights") == "surprisal";
  return needs;
}

std::string_view refuses(const Arguments& arguments) {
  return arguments.integer("on_policy") > 0 && arguments.choice("queries") == "context"
             ? "on_policy reads the references again, and those of the context are its own tokens; "
               "take queries=repeat or self_study"
             : "";
}

bool is_packed(const cache::LanePlan& plan) {
  const auto packed = [](cache::Format format) { return cache::traits(format).packed; };
  return packed(*plan.format) || std::any_of(plan.formats.begin(), plan.formats.end(), packed);
}

struct Answers {
  std::vector<float> a;  // [R, kept]: what the references pay to the kept entries
  std::vector<float> y;  // [R, D]: what the lane answers; empty without values
};

Answers answers_of(const Scene& scene, Index lane, const References& references,
                   std::span<const std::int32_t> keep,
                   std::span<const float> values) {  // [n, D], or empty
  const Index n = scene.size(lane), depth = scene.shape().head_dim;
  Answers out;
  out.a.reserve(static_cast<std::size_t>(scene.group() * references.count * std::ssize(keep)));
  for_reference_weights(scene, lane, references, [&](std::span<const float> p) {
    const std::vector<float> columns = columns_of(p, n, keep);
    out.a.insert(out.a.end(), columns.begin(), columns.end());
    if (values.empty()) return;
    const std::vector<float> answers = product(p, std::ssize(p) / n, values, depth);
    out.y.insert(out.y.end(), answers.begin(), answers.end());
  });
  return out;
}

// `scores` [n] of the stage; empty where it is fitted again: what was chosen then stays.
void match_lane(const Scene& scene, const Arguments& arguments, Index lane,
                std::span<const float> scores, cache::LanePlan& plan) {
  const Index n = scene.size(lane), depth = scene.shape().head_dim;
  const bool rounded = arguments.choice("against") == "stored" && is_packed(plan);
  if (plan.keep.empty() || (std::ssize(plan.keep) == n && !rounded)) return;
  const References references = references_of(scene, lane / scene.shape().kv_heads, arguments);
  const std::vector<float> weights = row_weights(scene, arguments, references);
  const Index rows = scene.group() * references.count;
  std::vector<float> mass(static_cast<std::size_t>(rows), 1.0f);
  weigh_rows(weights, mass);
  const MultiplicityFit fit{.ridge = static_cast<float>(arguments.real("weight_ridge")),
                            .mass = mass};
  if (arguments.choice("keys") == "omp" && std::ssize(plan.keep) < n && !scores.empty()) {
    std::vector<float> weighed = reference_weights(scene, lane, references);
    weigh_rows(weights, weighed);
    choose_anew(scene, lane, weighed, fit, scores, plan);
  }
  const Index kept = std::ssize(plan.keep);
  const bool weighted = arguments.choice("beta") == "nnls";
  // Set before the keys are rounded: entries with and without a weight have centres of their own.
  if (weighted) plan.log_weight.assign(static_cast<std::size_t>(kept), kLeastLogWeight);
  const bool fits_values = arguments.choice("values") != "original";
  const std::vector<float> values = fits_values ? scene.values(lane) : std::vector<float>();
  auto [a, y] = answers_of(scene, lane, references, plan.keep, values);
  if (rounded)
    change_keys(reference_rows(scene, lane, references), depth,
                rows_of(scene.keys(lane), depth, plan.keep), scene.cache().planned_keys(lane, plan),
                a);
  std::vector<float> b(static_cast<std::size_t>(kept), 1.0f);
  if (weighted) {
    std::vector<float> weighed = a;
    weigh_rows(weights, weighed);
    b = fit_multiplicities(weighed, kept, fit);
    for (std::size_t i = 0; i < b.size(); ++i) {
      const float weight = scene.info(lane)[plan.keep[i]].log_weight + std::log(b[i]);
      plan.log_weight[i] = weight == 0 ? kLeastLogWeight : weight;
    }
  }
  if (!fits_values) return;
  std::vector<float> x = renormalised(a, b);
  weigh_rows(weights, x);
  weigh_rows(weights, y);
  plan.values = fit_values(x, kept, y, rows_of(values, depth, plan.keep), depth,
                           static_cast<float>(arguments.real("ridge")));
}

void realise(const Scene& scene, const Arguments& arguments, const Scores& scores,
             cache::Plan& plan) {
  scene.parallel(std::ssize(scene.lanes()), [&](Index i, int) {
    const Index lane = scene.lanes()[i];
    const std::vector<float> none;
    match_lane(scene, arguments, lane, scores.lanes.empty() ? none : scores.lanes[lane],
               plan.lanes[lane]);
  });
}

}  // namespace

PartInfo match_part() {
  return {
      .name = "match",
      .kind = PartKind::realiser,
      .summary = "what stays is fitted to answer reference queries as the whole lane did",
      .source = "Attention Matching, arXiv 2602.16284",
      .cost = Cost::window,
      .parameters =
          {choice("keys", {"highest", "omp"},
                  "highest: those that scorer and allocator chose; omp: chosen anew by orthogonal "
                  "matching pursuit on the mass, as many per lane"),
           choice("beta", {"nnls", "none"}, "fit log-weights within [-3, 3] to the lost mass"),
           choice("values", {"lsq", "original"}, "fit values to the outputs"),
           choice("against", {"stored", "exact"},
                  "stored: to keys as the stage's format rounds them; exact: as they were"),
           real("ridge", "0.1", 0, 1000,
                "pulls fitted values towards the original ones, relative to the mean squared "
                "weight column"),
           real("weight_ridge", "0.001", 0, 1000, "the same for multiplicities, towards 1"),
           reference_choice(), reference_count(), reference_seed(),
           choice("weights", {"none", "surprisal"},
                  "of references: none: all alike; surprisal: by that of the token that each "
                  "predicts, when the context was first read"),
           integer("on_policy", "0", 0, 1e4,
                   "fit in so many blocks of layers, each to references that are read again "
                   "through the layers below as compressed; a replay more for each but the first")},
      .needs = needs,
      .realise = realise,
      .refuses = refuses,
      .late = true,
      .fit_blocks = [](const Arguments& a) { return a.integer("on_policy"); },
      .weighs = [](const Arguments& a) { return a.choice("beta") == "nnls"; }};
}

}  // namespace pith::recipe
