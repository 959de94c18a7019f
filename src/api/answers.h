// From what a caller wants of an answer to what the engine is told, and from what the engine wrote
// to the Answer. Nothing is computed here.
#pragma once

#include <exception>
#include <utility>

#include "engine/generate.h"
#include "pith/answer.h"

namespace pithkv {

pith::GenerateOptions generation(std::int64_t max_tokens, double temperature, std::uint64_t seed,
                                 const std::vector<std::string>& stop);

// Of AskOptions or ConversationOptions. Throws bad_input for values out of range.
template <typename Options>
pith::GenerateOptions generation_of(const Options& options) {
  return generation(options.max_tokens, options.temperature, options.seed, options.stop);
}

// Lets `write` write and tell `on_text`. What that throws ends the answer, as returning false
// would, and is thrown on only when the engine has ended it: nothing is left half-done.
template <typename F>  // pith::Generated(const OnText&)
Answer answer(const OnText& on_text, F&& write) {
  std::exception_ptr thrown;
  OnText guarded;
  if (on_text)
    guarded = [&](std::string_view piece) {
      try {
        return !thrown && on_text(piece);
      } catch (...) {
        thrown = std::current_exception();
        return false;
      }
    };
  pith::Generated made = write(std::as_const(guarded));
  if (thrown) std::rethrow_exception(thrown);
  return {std::move(made.text), std::move(made.tokens), made.reason, made.seconds};
}

}  // namespace pithkv
