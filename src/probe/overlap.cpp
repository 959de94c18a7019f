#include "probe/overlap.h"

#include <cmath>
#include <limits>
#include <vector>

#include "probe/survival.h"

namespace pith::probe {

Overlap overlap(const KeptSets& kept, std::span<const Index> tokens) {
  const auto lanes = kept.lanes();
  const auto n = static_cast<double>(tokens.size());
  std::vector<std::vector<std::uint64_t>> bits;  // [lanes][words] over `tokens`
  std::vector<double> share;
  for (Index lane : lanes) {
    auto& words = bits.emplace_back(tokens.size() / 64 + 1);
    Index count = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i)
      if (kept.keeps(lane, tokens[i])) {
        words[i / 64] |= std::uint64_t{1} << (i % 64);
        ++count;
      }
    share.push_back(n > 0 ? static_cast<double>(count) / n : 0);
  }
  Overlap result;
  Index pairs = 0, near = 0;
  for (std::size_t a = 0; a < lanes.size(); ++a)
    for (std::size_t b = a + 1; b < lanes.size(); ++b) {
      Index both = 0, either = 0;
      for (std::size_t w = 0; w < bits[a].size(); ++w) {
        both += __builtin_popcountll(bits[a][w] & bits[b][w]);
        either += __builtin_popcountll(bits[a][w] | bits[b][w]);
      }
      const double jaccard =
          either > 0 ? static_cast<double>(both) / static_cast<double>(either) : 1;
      const double product = share[a] * share[b], any = share[a] + share[b] - product;
      result.all += jaccard;
      result.independent += any > 0 ? product / any : 1;
      ++pairs;
      if (lanes[a] / kept.kv_heads != lanes[b] / kept.kv_heads) continue;
      result.within_layers += jaccard;
      ++near;
    }
  if (pairs > 0) {
    result.all /= static_cast<double>(pairs);
    result.independent /= static_cast<double>(pairs);
  }
  if (near > 0) result.within_layers /= static_cast<double>(near);
  return result;
}

Routes effective_routes(const KeptSets& kept, std::span<const Index> tokens) {
  Routes routes{.lanes = std::ssize(kept.lanes())};
  const auto counts = route_counts(kept);
  double sum = 0, squares = 0, gone = 0;
  for (Index t : tokens) {
    const auto count = static_cast<double>(counts[static_cast<std::size_t>(t)]);
    sum += count;
    squares += count * count;
    gone += count == 0;
  }
  if (tokens.empty() || routes.lanes == 0) return routes;
  const auto n = static_cast<double>(tokens.size()), m = static_cast<double>(routes.lanes);
  const double mean = sum / n, variance = squares / n - mean * mean;
  routes.kept = mean / m;
  const double spread = m * m * routes.kept * (1 - routes.kept);
  routes.by_spread = variance > 0 ? spread / variance : std::numeric_limits<double>::infinity();
  routes.by_loss = gone > 0 && gone < n ? std::log(gone / n) / std::log1p(-routes.kept)
                                        : std::numeric_limits<double>::quiet_NaN();
  routes.predicted = std::pow(1 - routes.kept, routes.by_spread);
  return routes;
}

}  // namespace pith::probe
