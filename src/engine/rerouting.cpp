#include "engine/rerouting.h"

#include <utility>

#include "base/error.h"
#include "engine/compress.h"
#include "engine/reading.h"

namespace pith {

Rerouting::Rerouting(const Context& whole, const recipe::Recipe& recipe, recipe::Signals& signals,
                     std::vector<Token> asked)
    : whole_(whole),
      recipe_(recipe),
      signals_(signals),
      asked_(std::move(asked)),
      every_(recipe.again_every()) {
  PITH_CHECK(every_ > 0, "a recipe that does not route again");
}

Context Rerouting::again(std::span<const Token> written) {
  std::vector<Token> tokens = asked_;
  tokens.insert(tokens.end(), written.begin(), written.end());
  observe_question(whole_, tokens, signals_);
  Context context = whole_.fork();
  compress_once(context, recipe_, signals_);
  // As they were written, one by one: a batch's sums round differently, and an answer must not
  // change because the same entries were chosen again.
  context.read(asked_);
  for (const Token& token : written) context.read(std::span(&token, 1));
  return context;
}

}  // namespace pith
