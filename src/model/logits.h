// What one row of logits [V] says: the likeliest token, and how surprised it is at another. Nothing
// is sampled here, and nothing has a gradient (token_loss.h).
#pragma once

#include <span>

#include "base/types.h"

namespace pith {

// The likeliest token; the first of equals.
Index likeliest(std::span<const float> logits);

// log of the sum of exponentials.
double log_total(std::span<const float> logits);

// Minus the natural log-probability of a token; differences of logits are f32.
double surprisal(std::span<const float> logits, Index token);

}  // namespace pith
