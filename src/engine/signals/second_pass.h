// The second pass of KVCompose (arXiv 2509.05165): the context is read again, right behind itself,
// and what its second copy attends to in the first is recorded. It asks for nothing in words; the
// replay (replay.h) does.
#pragma once

#include "engine/context.h"
#include "recipe/signals.h"

namespace pith {

// Fills `second_pass` of every layer. The context stays as it is; it must be uncompressed.
void second_pass(const Context& context, const Progress& progress, recipe::Signals& signals);

}  // namespace pith
