// How much each row of a replay matters to where it ends, as KVgrad has it: the norm of the
// gradient of the summed squared lengths of the last hidden states with respect to the row's
// residual stream. No tokens are predicted for it.
#pragma once

#include <span>
#include <vector>

#include "engine/context.h"

namespace pith {

// With Phi = sum_p ||h_p||^2, h behind the last layer and before the output norm, and a_p the
// residual stream between a layer's attention and its FFN: ||d Phi / d a_p|| for tokens that are
// read behind `seen`, which stays as it is: [L][tokens].
std::vector<std::vector<float>> replay_gradients(const Context& seen,
                                                 std::span<const Token> tokens);

}  // namespace pith
