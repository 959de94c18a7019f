// How far behind a document its signals reach: a replay, self-study and a second pass read on where
// the document ends, and the model's range must have room for that, too. It is asked before the
// document is read; nothing is read here.
#pragma once

#include <span>

#include "engine/reading.h"
#include "recipe/signals.h"

namespace pith {

// Throws bad_input, naming what reads on and how long the document may be, where there is no room
// behind `tokens` for what `needs` asks for.
void check_reach(const Engine& engine, std::span<const Token> tokens,
                 const recipe::SignalNeeds& needs, const ReadOptions& options);

// The same for a document that is read and replayed in pieces of `chunk` tokens (keeper.h).
void check_pieces(const Engine& engine, std::span<const Token> tokens, Index chunk,
                  const ReadOptions& options);

}  // namespace pith
