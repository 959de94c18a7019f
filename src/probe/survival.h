// Survival: which tokens are gone from every head, and what share of the text, of an answer or of
// the important tokens that is. Pure functions over kept sets.
//
// GlobalEvicted(t) = 1 if no head of H keeps t. Over all tokens of the text its mean is the
// eviction rate, over the answer's tokens it is GER, the global eviction ratio (S1, arXiv
// 2603.01426). The paper's readers do not say whether H is one layer or all of them, so both are
// computed: GER over all lanes is at most the least GER of a layer.
#pragma once

#include <span>
#include <vector>

#include "probe/kept.h"

namespace pith::probe {

struct Scoped {
  double all = 0;              // H = every lane
  double mean = 0, max = 0;    // over layers, H = the lanes of one layer
  std::vector<double> layers;  // [L]; 0 for layers with a sliding window, which mean and max skip
};

// The share of `tokens` that is gone. Over the text: eviction rate. Over an answer: GER. 0 of none.
Scoped share_gone(const KeptSets& kept, std::span<const Index> tokens);

// 1 for every token that no lane keeps: [T].
std::vector<std::uint8_t> gone_everywhere(const KeptSets& kept);

// How many lanes keep each token: [T].
std::vector<Index> route_counts(const KeptSets& kept);

// Whether every one of the tokens is gone from every lane. Answers are short, so GER of one item is
// coarse; this is its yes or no. False of none.
bool all_gone(const KeptSets& kept, std::span<const Index> tokens);

// The share of the most important tenth of `tokens` (rounded up) that is gone. It needs no answer.
// Two public projects call this GER; it is not the paper's.
double ger_proxy(const KeptSets& kept, std::span<const Index> tokens,
                 std::span<const float> importance);  // [T]

// The share of `weights` that lies on tokens that are gone: with the tokens' surprisal as weights,
// what is lost of the text's information.
double weight_gone(const KeptSets& kept, std::span<const Index> tokens,
                   std::span<const float> weights);  // [T]

}  // namespace pith::probe
