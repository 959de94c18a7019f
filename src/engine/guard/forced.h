// Teacher forcing: what a context would have predicted in front of every token of a text that is
// given to it. The context stays as it is; nothing is sampled.
#pragma once

#include <functional>
#include <span>

#include "engine/context.h"

namespace pith {

// Shows the logits [V] in front of each token of `continuation`, which follows `prompt` (at least
// one token) on a fork of the context.
void for_predictions(const Context& context, std::span<const Token> prompt,
                     std::span<const Token> continuation,
                     const std::function<void(Index row, std::span<const float> logits)>& use);

}  // namespace pith
