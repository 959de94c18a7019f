#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "engine/generate.h"
#include "model/logits.h"

namespace pith {
namespace {

struct Candidate {
  Token id;
  float logit;
  double probability;
};

// Ends the list of candidates, sorted by falling probability, where their sum reaches p.
void keep_top_p(std::vector<Candidate>& candidates, double p) {
  double sum = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    sum += candidates[i].probability;
    if (sum >= p) {
      candidates.resize(i + 1);
      return;
    }
  }
}

void set_probabilities(std::vector<Candidate>& candidates, double temperature) {
  double sum = 0;
  for (auto& candidate : candidates)
    sum += candidate.probability =
        std::exp(static_cast<double>(candidate.logit - candidates.front().logit) / temperature);
  for (auto& candidate : candidates) candidate.probability /= sum;
}

}  // namespace

Sampler::Sampler(const Sampling& sampling) : sampling_(sampling), rng_(sampling.seed) {
  const auto require = [](bool ok, const char* name, double value, const char* range) {
    if (!ok) fail(ErrorCode::bad_input, fmt::format("{} is {}; it must be {}", name, value, range));
  };
  require(sampling.temperature >= 0 && std::isfinite(sampling.temperature), "temperature",
          sampling.temperature, "0 or more");
  require(sampling.top_k >= 0, "top-k", static_cast<double>(sampling.top_k), "0 (all) or more");
  require(sampling.top_p > 0 && sampling.top_p <= 1, "top-p", sampling.top_p,
          "above 0 and at most 1");
  require(sampling.min_p >= 0 && sampling.min_p <= 1, "min-p", sampling.min_p, "from 0 to 1");
}

Token Sampler::pick(std::span<const float> logits) {
  PITH_CHECK(!logits.empty(), "no logits");
  if (sampling_.temperature == 0) return static_cast<Token>(likeliest(logits));
  std::vector<Candidate> candidates(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i)
    candidates[i] = {static_cast<Token>(i), logits[i], 0};
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  const auto keep = sampling_.top_k > 0
                        ? std::min(candidates.size(), static_cast<std::size_t>(sampling_.top_k))
                        : candidates.size();
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(keep),
                    candidates.end(), better);
  candidates.resize(keep);
  set_probabilities(candidates, sampling_.temperature);
  if (sampling_.top_p < 1) keep_top_p(candidates, sampling_.top_p);
  const double least = sampling_.min_p * candidates.front().probability;
  while (candidates.size() > 1 && candidates.back().probability < least) candidates.pop_back();
  const double total =
      std::accumulate(candidates.begin(), candidates.end(), 0.0,
                      [](double sum, const Candidate& c) { return sum + c.probability; });
  double left = rng_.uniform() * total;
  for (const auto& candidate : candidates)
    if ((left -= candidate.probability) < 0) return candidate.id;
  return candidates.back().id;
}

}  // namespace pith
