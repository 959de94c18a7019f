// A block: the entries that are left of one finished turn of a conversation. It is made on top of
// what came before, which stays as it is, and changes no more once it is made. Where blocks are
// kept and what they are put together to is the conversation's business.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "engine/context.h"
#include "engine/reading.h"
#include "recipe/recipe.h"

namespace pith {

// Reads a turn behind what is there, compressed or not, and returns what `needs` asks for of this
// turn alone: what belongs to earlier tokens is zero, and they are the prefix. Of `options`, the
// prefix is what a replay sees of the past.
recipe::Signals read_turn(Context& context, std::span<const Token> turn,
                          const recipe::SignalNeeds& needs, const ReadOptions& options);

struct TurnBlock {
  cache::Cache entries;  // Cache::part of the turn
  std::string recipe;    // what was carried out: the one asked for, another one, or "full"
  std::string note;      // for people, if it was not the one asked for
  std::optional<cache::Cache> left_out;  // if wanted: the exact entries for which nothing stands
};

// Never fails for what the turn is like: where the recipe's budget cannot be met the turn stays
// exact, and where its optimisation diverges or gives no numbers it is fitted by match instead.
TurnBlock make_block(const Context& before, std::span<const Token> turn,
                     const recipe::Recipe& recipe, const ReadOptions& options,
                     bool wants_left_out = false);

}  // namespace pith
