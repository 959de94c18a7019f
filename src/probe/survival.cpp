#include "probe/survival.h"

#include <algorithm>

namespace pith::probe {
namespace {

bool gone(const KeptSets& kept, const std::vector<Index>& lanes, Index token) {
  return std::none_of(lanes.begin(), lanes.end(),
                      [&](Index lane) { return kept.keeps(lane, token); });
}

double share(const KeptSets& kept, const std::vector<Index>& lanes, std::span<const Index> tokens) {
  if (tokens.empty() || lanes.empty()) return 0;
  const auto count = std::count_if(tokens.begin(), tokens.end(),
                                   [&](Index token) { return gone(kept, lanes, token); });
  return static_cast<double>(count) / static_cast<double>(tokens.size());
}

}  // namespace

Scoped share_gone(const KeptSets& kept, std::span<const Index> tokens) {
  Scoped result;
  result.all = share(kept, kept.lanes(), tokens);
  Index layers = 0;
  for (Index layer = 0; layer < kept.layers; ++layer) {
    const auto lanes = kept.lanes(layer);
    result.layers.push_back(share(kept, lanes, tokens));
    if (lanes.empty()) continue;
    ++layers;
    result.mean += result.layers.back();
    result.max = std::max(result.max, result.layers.back());
  }
  if (layers > 0) result.mean /= static_cast<double>(layers);
  return result;
}

std::vector<std::uint8_t> gone_everywhere(const KeptSets& kept) {
  const auto lanes = kept.lanes();
  std::vector<std::uint8_t> result;
  for (Index t = 0; t < kept.tokens; ++t) result.push_back(!lanes.empty() && gone(kept, lanes, t));
  return result;
}

std::vector<Index> route_counts(const KeptSets& kept) {
  std::vector<Index> result(static_cast<std::size_t>(kept.tokens));
  for (Index lane : kept.lanes())
    for (Index t = 0; t < kept.tokens; ++t)
      result[static_cast<std::size_t>(t)] += kept.keeps(lane, t);
  return result;
}

bool all_gone(const KeptSets& kept, std::span<const Index> tokens) {
  const auto lanes = kept.lanes();
  return !tokens.empty() && !lanes.empty() &&
         std::all_of(tokens.begin(), tokens.end(), [&](Index t) { return gone(kept, lanes, t); });
}

double ger_proxy(const KeptSets& kept, std::span<const Index> tokens,
                 std::span<const float> importance) {
  std::vector<Index> order(tokens.begin(), tokens.end());
  const auto weight = [&](Index t) { return importance[static_cast<std::size_t>(t)]; };
  std::sort(order.begin(), order.end(), [&](Index a, Index b) {
    return weight(a) != weight(b) ? weight(a) > weight(b) : a < b;
  });
  order.resize(static_cast<std::size_t>(ceil_div(std::ssize(order), 10)));
  return share(kept, kept.lanes(), order);
}

double weight_gone(const KeptSets& kept, std::span<const Index> tokens,
                   std::span<const float> weights) {
  const auto lanes = kept.lanes();
  double all = 0, lost = 0;
  for (Index t : tokens) {
    const auto weight = static_cast<double>(weights[static_cast<std::size_t>(t)]);
    all += weight;
    if (!lanes.empty() && gone(kept, lanes, t)) lost += weight;
  }
  return all > 0 ? lost / all : 0;
}

}  // namespace pith::probe
