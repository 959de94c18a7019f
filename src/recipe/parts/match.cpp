// match: what stays is fitted to answer like the whole lane did. For reference queries from behind
// the context, multiplicities (log-weights) restore the mass and new values restore the output,
// both in closed form, lane by lane (Attention Matching). With keys=omp the lane's entries are
// chosen anew, as many as the allocator gave it, so that their mass explains the most.

#include <algorithm>
#include <cmath>
#include <map>

#include "recipe/matching.h"
#include "recipe/parts/parts.h"
#include "recipe/row_kernels.h"

namespace pith::recipe {
namespace {

// Chooses the lane's entries anew, as many as there are. The chat template's and the first tokens
// stay whatever they earn, and so do entries that are stored in another format than the rest.
void choose_anew(const Scene& scene, Index lane, std::span<const float> p,
                 const MultiplicityFit& fit, cache::LanePlan& plan) {
  const Index first = std::max<Index>(scene.signals().prefix_tokens, 4);
  std::map<std::int32_t, cache::Format> apart;
  std::vector<std::int32_t> fixed;
  for (std::size_t i = 0; i < plan.keep.size(); ++i) {
    const std::int32_t j = plan.keep[i];
    const bool other = !plan.formats.empty() && plan.formats[i] != plan.format;
    if (other) apart[j] = plan.formats[i];
    if (other || scene.info(lane)[j].span.end <= first) fixed.push_back(j);
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

void match_lane(const Scene& scene, const Arguments& arguments, Index lane, cache::LanePlan& plan) {
  const Index n = scene.size(lane), depth = scene.shape().head_dim;
  if (std::ssize(plan.keep) == n || plan.keep.empty()) return;
  const Index layer = lane / scene.shape().kv_heads;
  const std::vector<float> p =
      reference_weights(scene, lane, references_of(scene, layer, arguments.choice("queries")));
  const MultiplicityFit fit{.ridge = static_cast<float>(arguments.real("weight_ridge"))};
  if (arguments.choice("keys") == "omp") choose_anew(scene, lane, p, fit, plan);
  const Index kept = std::ssize(plan.keep);
  const std::vector<float> a = columns_of(p, n, plan.keep);
  std::vector<float> b(static_cast<std::size_t>(kept), 1.0f);
  if (arguments.choice("beta") == "nnls") {
    b = fit_multiplicities(a, kept, fit);
    plan.log_weight.resize(b.size());
    for (std::size_t i = 0; i < b.size(); ++i)
      plan.log_weight[i] = scene.info(lane)[plan.keep[i]].log_weight + std::log(b[i]);
  }
  if (arguments.choice("values") == "original") return;
  const std::vector<float> values = scene.values(lane);
  plan.values = fit_values(renormalised(a, b), kept, product(p, std::ssize(p) / n, values, depth),
                           rows_of(values, depth, plan.keep), depth,
                           static_cast<float>(arguments.real("ridge")));
}

void realise(const Scene& scene, const Arguments& arguments, const Scores&, cache::Plan& plan) {
  scene.parallel(std::ssize(scene.lanes()), [&](Index i, int) {
    match_lane(scene, arguments, scene.lanes()[i], plan.lanes[scene.lanes()[i]]);
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
           real("ridge", "0.1", 0, 1000,
                "pulls fitted values towards the original ones, relative to the mean squared "
                "weight column"),
           real("weight_ridge", "0.001", 0, 1000, "the same for multiplicities, towards 1"),
           reference_choice(), reference_count()},
      .needs = reference_needs,
      .realise = realise,
      .late = true,
      .annotates = [](const Arguments& a) { return a.choice("beta") == "nnls"; }};
}

}  // namespace pith::recipe
