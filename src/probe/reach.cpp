#include "probe/reach.h"

#include <algorithm>

namespace pith::probe {
namespace {

using Bits = std::vector<std::uint64_t>;

bool get(const Bits& bits, Index t) {
  return (bits[static_cast<std::size_t>(t / 64)] >> (t % 64) & 1) != 0;
}
void set(Bits& bits, Index t) {
  bits[static_cast<std::size_t>(t / 64)] |= std::uint64_t{1} << (t % 64);
}
Bits bits_of(std::span<const Index> tokens, Index words) {
  Bits bits(static_cast<std::size_t>(words));
  for (Index t : tokens) set(bits, t);
  return bits;
}
bool meet(const std::uint64_t* a, const Bits& b) {
  for (std::size_t w = 0; w < b.size(); ++w)
    if (a[w] & b[w]) return true;
  return false;
}

}  // namespace

AttentionGraph::AttentionGraph(Index layers, Index heads, Index tokens)
    : layers_(layers),
      heads_(heads),
      tokens_(tokens),
      words_(ceil_div(tokens, 64)),
      bits_(static_cast<std::size_t>(layers * heads * tokens * words_)) {}

Index AttentionGraph::bytes_for(Index layers, Index heads, Index tokens) {
  return layers * heads * tokens * ceil_div(tokens, 64) * 8;
}

void AttentionGraph::clear_from(Index token) {
  for (Index layer = 0; layer < layers_; ++layer)
    for (Index head = 0; head < heads_; ++head)
      std::fill(row(layer, head, token), row(layer, head, 0) + tokens_ * words_, 0);
}

std::vector<std::uint8_t> AttentionGraph::reached(std::span<const Index> from) const {
  Bits now = bits_of(from, words_);
  for (Index layer = layers_ - 1; layer >= 0; --layer) {
    Bits next = now;
    for (Index t = 0; t < tokens_; ++t) {
      if (!get(now, t)) continue;
      for (Index head = 0; head < heads_; ++head)
        for (Index w = 0; w < words_; ++w)
          next[static_cast<std::size_t>(w)] |= row(layer, head, t)[w];
    }
    now = std::move(next);
  }
  std::vector<std::uint8_t> result;
  for (Index t = 0; t < tokens_; ++t) result.push_back(get(now, t));
  return result;
}

Index AttentionGraph::direct_routes(std::span<const Index> from, std::span<const Index> to) const {
  const Bits goal = bits_of(to, words_);
  Index count = 0;
  for (Index layer = 0; layer < layers_; ++layer)
    for (Index head = 0; head < heads_; ++head)
      count += std::any_of(from.begin(), from.end(),
                           [&](Index t) { return meet(row(layer, head, t), goal); });
  return count;
}

// Finds a path with the fewest heads among those not used, and marks its heads. levels[k][l] are
// the tokens whose state before layer l is at most k heads away from a token of `to`.
bool AttentionGraph::take_route(std::span<const Index> from, std::span<const Index> to,
                                std::vector<std::uint8_t>& used) const {
  std::vector<std::vector<Bits>> levels;
  const auto free = [&](Index layer, Index head) {
    return !used[static_cast<std::size_t>(layer * heads_ + head)];
  };
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  Index hops = -1, start = -1;
  for (Index k = 0; hops < 0; ++k) {
    auto& level = levels.emplace_back(at(layers_ + 1), bits_of(to, words_));
    for (Index layer = 0; layer < layers_ && k > 0; ++layer) {
      const Bits& nearer = levels[at(k - 1)][at(layer)];
      level[at(layer + 1)] = level[at(layer)];
      for (Index head = 0; head < heads_; ++head) {
        if (!free(layer, head)) continue;
        for (Index t = 0; t < tokens_; ++t)
          if (!get(level[at(layer + 1)], t) && meet(row(layer, head, t), nearer))
            set(level[at(layer + 1)], t);
      }
    }
    for (Index t : from)
      if (get(level[at(layers_)], t)) {
        hops = k;
        start = t;
      }
    if (k > 0 && hops < 0 && level == levels[at(k - 1)]) return false;  // nothing more to reach
  }
  for (Index layer = layers_ - 1, token = start, k = hops; layer >= 0 && k > 0; --layer) {
    if (get(levels[at(k)][at(layer)], token)) continue;  // the residual stream carries it down
    const Bits& nearer = levels[at(k - 1)][at(layer)];
    for (Index head = 0; head < heads_; ++head) {
      const std::uint64_t* edges = row(layer, head, token);
      if (!free(layer, head) || !meet(edges, nearer)) continue;
      used[at(layer * heads_ + head)] = 1;
      for (Index w = words_ - 1; w >= 0; --w)
        if (const std::uint64_t both = edges[w] & nearer[at(w)])
          token = 64 * w + __builtin_ctzll(both);
      --k;
      break;
    }
  }
  return hops > 0;
}

Index AttentionGraph::disjoint_routes(std::span<const Index> from,
                                      std::span<const Index> to) const {
  std::vector<std::uint8_t> used(static_cast<std::size_t>(layers_ * heads_));
  const Bits goal = bits_of(to, words_);
  Index count = 0;
  for (Index layer = 0; layer < layers_; ++layer)  // the direct ones, each a head of its own
    for (Index head = 0; head < heads_; ++head)
      if (std::any_of(from.begin(), from.end(),
                      [&](Index t) { return meet(row(layer, head, t), goal); })) {
        used[static_cast<std::size_t>(layer * heads_ + head)] = 1;
        ++count;
      }
  while (take_route(from, to, used)) ++count;
  return count;
}

void prune_row(std::span<float> weights, std::span<const std::uint8_t> kept) {
  double sum = 0;
  for (std::size_t j = 0; j < weights.size(); ++j) {
    if (!kept[j]) weights[j] = 0;
    sum += static_cast<double>(weights[j]);
  }
  if (sum > 0)
    for (float& weight : weights) weight = static_cast<float>(static_cast<double>(weight) / sum);
}

}  // namespace pith::probe
