// Statistical leverage: how much a row adds to what the other rows span. For rows x of X [n, k] and
// weights w: s = x' (ridge I + sum w x x')^-1 x. Also z-scores over the heads of a layer, and keys
// as they were before rotation, which is where leverage is measured. No scorer: leverage, compactor
// and capkv are.
#pragma once

#include <span>
#include <vector>

#include "recipe/scene.h"

namespace pith::recipe {

// Lower Cholesky factor of a symmetric positive definite matrix, in place and in double; what is
// above the diagonal is set to 0. Numbers that are not finite come out as not a number.
void cholesky(std::span<double> matrix, Index k);  // [k, k]

std::vector<float> leverage(std::span<const float> rows, Index k, double ridge,  // [n, k] -> [n]
                            std::span<const float> weights = {});                // [n], or 1

// Standardises over all lanes together (unbiased deviation, at least 1e-6), leaving out scores that
// are not computed (kForced, kNever).
void standardise(std::span<std::vector<float>> lanes);

// The lane's keys rotated back to position 0.
std::vector<float> unrotated_keys(const Scene& scene, Index lane);  // [n, D]

}  // namespace pith::recipe
