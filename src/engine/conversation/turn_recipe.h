// Recipes for the turns of a conversation: which can compress turn by turn, and what one of them
// asks of a single turn. It compresses nothing (turn_block.h).
#pragma once

#include "recipe/recipe.h"

namespace pith {

// Throws bad_recipe if turns cannot be compressed by this recipe one by one: it looks at the
// question, has no budget of its own (`auto`), rounds as kvpress does for whole documents, or its
// signals can only be collected over one.
void check_turn_recipe(const recipe::Recipe& recipe);

// The recipe for one turn. Budgets count against the turn:
//
//     0.75        of the turn's entries (a later stage: of those that the stages before it leave),
//                 and no fewer than kFewestOfTurn, but where bytes or a part of its own say how
//                 much an earlier stage leaves
//     4x          as many entries as a quarter of the turn's bf16 bytes has room for, and no fewer
//                 than kFewestOfTurn: entries join the tiles of the turns before
//     4x, packed  a quarter of these bytes, for all that the block allocates: packed entries lie in
//                 tiles of its own. A short turn may take the least that a tile in each lane does,
//                 unless that is more than the turn itself
//
// Lanes with a sliding window count in none of them. Packed formats leave the newest and the first
// tokens in bf16: of a conversation those are the last turn and the prefix, which are exact, so a
// turn has none unless the recipe says another number than the default.
inline constexpr Index kFewestOfTurn = 2;
recipe::Recipe of_turn(const recipe::Recipe& recipe, const cache::Shape& shape, Index tokens);

}  // namespace pith
