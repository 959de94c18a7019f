// Consensus: whether the heads of a layer look at the same token. Pure functions over attention
// rows.
//
// t*_h = argmax_t A_h(t) for every query head h of a layer. S1 (arXiv 2603.01426) calls
// |{t*_h}| / |H| "consensus", although a low value means agreement; here it is `head_diversity`,
// and what is printed says "consensus (paper's ratio)". The agreement rho is the share of heads
// that look at the most popular token (its proposition 3).
#pragma once

#include <span>

#include "base/types.h"

namespace pith::probe {

// The first tokens of a text draw most heads' attention whatever it says (attention sinks), so
// every figure has a variant without them.
inline constexpr Index kSinks = 4;

struct Consensus {
  double head_diversity = 0;  // distinct tokens / heads: 1 / heads is full agreement, 1 is none
  double agreement = 0;       // rho
};
Consensus consensus(std::span<const Index> tops);  // [heads] token of each head's argmax

// The token with the largest weight; the first of equals; -1 of none. Entries for tokens below
// `skip`, and entries that stand for no single token (-1), are passed over.
Index top_token(std::span<const float> weights,  // [n]
                std::span<const Index> tokens,   // [n]
                Index skip);

}  // namespace pith::probe
