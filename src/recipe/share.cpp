#include "recipe/share.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pith::recipe {
namespace {

// Real shares: lanes whose proportional share exceeds their capacity take that, the others share
// the rest, until no lane overflows.
std::vector<double> proportional(std::span<const double> weights, std::span<const Index> capacity,
                                 double total) {
  const std::size_t n = weights.size();
  std::vector<double> share(n);
  std::vector<bool> full(n);
  for (bool again = true; again;) {
    again = false;
    double weight = 0, left = total;
    for (std::size_t i = 0; i < n; ++i) full[i] ? left -= share[i] : weight += weights[i];
    for (std::size_t i = 0; i < n; ++i) {
      if (full[i]) continue;
      share[i] = weight > 0 ? left * weights[i] / weight : 0;
      if (share[i] < static_cast<double>(capacity[i])) continue;
      share[i] = static_cast<double>(capacity[i]);
      full[i] = again = true;
    }
  }
  return share;
}

}  // namespace

std::vector<Index> share_by_weight(std::span<const double> weights, std::span<const Index> capacity,
                                   Index total) {
  total = std::min(total, std::reduce(capacity.begin(), capacity.end()));
  const auto share = proportional(weights, capacity, static_cast<double>(total));
  std::vector<Index> out;
  for (double s : share) out.push_back(static_cast<Index>(s + 1e-9));
  std::vector<std::size_t> order(share.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const double first = share[a] - std::floor(share[a] + 1e-9),
                 second = share[b] - std::floor(share[b] + 1e-9);
    return first != second ? first > second : a < b;
  });
  for (Index left = total - std::reduce(out.begin(), out.end()); left > 0;)
    for (std::size_t i : order)
      if (left > 0 && out[i] < capacity[i]) {
        ++out[i];
        --left;
      }
  return out;
}

}  // namespace pith::recipe
