// Reachability in the token-attention graph: whether what an answer is made of can be looked up at
// all, and over how many separate heads. Pure: edges come from attention rows, thresholds from the
// caller.
//
// Nodes are (layer, token). Reading layer l for token i, head h reads the state of token j if
// A_{l,h}(i, j) > epsilon, and the residual stream carries token i on. In the pruned graph a head
// has only the columns that its lane keeps, renormalised (S1, arXiv 2603.01426; epsilon is not
// stated there, pith takes 1 / (2 * context length) unless told otherwise).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"

namespace pith::probe {

class AttentionGraph {
 public:
  AttentionGraph(Index layers, Index heads, Index tokens);  // without an edge

  Index layers() const { return layers_; }
  Index heads() const { return heads_; }  // of a layer: lanes where heads share one
  Index tokens() const { return tokens_; }
  Index bytes() const { return static_cast<Index>(bits_.size() * sizeof(std::uint64_t)); }
  static Index bytes_for(Index layers, Index heads, Index tokens);

  // Threads may add edges at once as long as they differ in layer, head or `from`.
  void add(Index layer, Index head, Index from, Index to) {
    row(layer, head, from)[to / 64] |= std::uint64_t{1} << (to % 64);
  }
  void clear_from(Index token);  // removes the edges that leave `token` and all behind it
  bool has(Index layer, Index head, Index from, Index to) const {
    return (row(layer, head, from)[to / 64] >> (to % 64) & 1) != 0;
  }

  // R(q): the tokens whose embedding can reach the top of `from`, as flags [tokens]. A token
  // reaches itself.
  std::vector<std::uint8_t> reached(std::span<const Index> from) const;

  // Heads that join one of `from` to one of `to` in one step. Such routes share no head.
  Index direct_routes(std::span<const Index> from, std::span<const Index> to) const;

  // Head-disjoint paths from `from` to `to`, taken greedily, those with the fewest heads first. A
  // lower bound: finding the most is a packing of labelled paths, which is NP-hard. 0 if and only
  // if nothing of `to` is reached.
  Index disjoint_routes(std::span<const Index> from, std::span<const Index> to) const;

 private:
  std::uint64_t* row(Index layer, Index head, Index from) {
    return bits_.data() + ((layer * heads_ + head) * tokens_ + from) * words_;
  }
  const std::uint64_t* row(Index layer, Index head, Index from) const {
    return bits_.data() + ((layer * heads_ + head) * tokens_ + from) * words_;
  }
  bool take_route(std::span<const Index> from, std::span<const Index> to,
                  std::vector<std::uint8_t>& used) const;

  Index layers_, heads_, tokens_, words_;
  std::vector<std::uint64_t> bits_;  // [layers, heads, from, words]
};

// Zeroes the columns that are not kept and makes the rest sum to 1; all zero if nothing is left.
void prune_row(std::span<float> weights, std::span<const std::uint8_t> kept);

}  // namespace pith::probe
