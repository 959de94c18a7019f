// A document of turns, read and compressed turn by turn as a conversation would be, but with the
// last turn compressed too: to measure what many compressions do.
#pragma once

#include <span>

#include "engine/compress.h"
#include "engine/reading.h"

namespace pith {

// Each turn once, on top of what is left of the turns before it (turn_block.h): the chat prefix
// stays exact. The context must be empty, and `options.turn_starts` say where turns begin. Throws
// bad_recipe as check_turn_recipe(), bad_input for a document without turns.
CompressionReport read_turn_by_turn(Context& context, std::span<const Token> tokens,
                                    const recipe::Recipe& recipe, const ReadOptions& options);

// After each turn all so far anew, to the budget that counts all tokens so far (keeper.h): an entry
// that is gone does not come back.
CompressionReport read_turns_again(Context& context, std::span<const Token> tokens,
                                   const recipe::Recipe& recipe, const ReadOptions& options);

}  // namespace pith
