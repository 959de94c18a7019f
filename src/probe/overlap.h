// Overlap of kept sets: how alike the choices of the heads are, and how many independent routes
// that leaves to a token. Pure functions over kept sets.
#pragma once

#include <span>

#include "probe/kept.h"

namespace pith::probe {

struct Overlap {
  double within_layers = 0;  // mean Jaccard index |A n B| / |A u B| of two lanes of one layer
  double all = 0;            // of any two lanes
  double independent = 0;    // what sets drawn at random with the same sizes would have, about:
                             // mean of p q / (p + q - p q) over all pairs
};
// Two empty sets count as equal. 0 where there is no pair.
Overlap overlap(const KeptSets& kept, std::span<const Index> tokens);

// Effective number of independent routes. With m lanes that each keep a token with probability p,
// independently, a token is gone from all of them with probability (1 - p)^m, and the number of
// lanes that keep it has variance m p (1 - p). Lanes that agree behave like fewer.
struct Routes {
  Index lanes = 0;       // m
  double kept = 0;       // p, the mean share of tokens that a lane keeps
  double by_spread = 0;  // m^2 p (1 - p) / variance of the number of lanes that keep a token:
                         // defined before anything is gone. infinity for no variance at all
  double by_loss = 0;    // log(eviction rate) / log(1 - p); nan while nothing is gone
  double predicted = 0;  // (1 - p)^by_spread: the eviction rate that the spread foretells
};
Routes effective_routes(const KeptSets& kept, std::span<const Index> tokens);

}  // namespace pith::probe
