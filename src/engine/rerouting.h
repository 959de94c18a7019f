// Routing again: while an answer is written, its recipe is carried out anew on the whole cache, for
// the question and the answer so far. The whole cache is kept aside for that, so nothing is saved
// but what attention reads. When it happens the recipe says (Recipe::again_every); generating is
// its caller's business.
#pragma once

#include <span>
#include <vector>

#include "engine/context.h"
#include "recipe/recipe.h"
#include "recipe/signals.h"

namespace pith {

class Rerouting {
 public:
  // `whole` was read with `signals`, whose question is overwritten at every routing; both must live
  // as long as this. `asked`: the question's tokens and those of the answer that are given.
  Rerouting(const Context& whole, const recipe::Recipe& recipe, recipe::Signals& signals,
            std::vector<Token> asked);

  // Whether it is time to route again once `written` tokens of the answer are there.
  bool due(Index written) const { return written % every_ == 0; }

  // The whole context compressed for what was asked and `written`, both of which it has read. The
  // queries that route are those of a reading on the whole cache.
  Context again(std::span<const Token> written);

 private:
  const Context& whole_;
  recipe::Recipe recipe_;
  recipe::Signals& signals_;
  std::vector<Token> asked_;
  Index every_;
};

}  // namespace pith
