// A document is read into an empty context, and what recipes need to know of it is collected on the
// way and behind it. What recipes do with that is compress.h's business; a document that is
// compressed while it is read is keeper.h's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/context.h"
#include "recipe/signals.h"

namespace pith {

struct ReadOptions {
  Index prefix_tokens = 0;  // chat template before the document
  std::vector<Token>
      answer_prompt;  // chat tokens between a question and its answer: the replay asks with them
  std::vector<std::int32_t> sentence_starts;  // tokens at which sentences begin
  std::vector<std::int32_t> turn_starts;      // ... and turns, of a conversation
  Progress progress;                          // of the reading
  Progress replay_progress;
};
struct ReadTimes {
  double read_seconds = 0;  // prefill, signals included
  double replay_seconds = 0;
};
// Reads `tokens` into an empty context and returns the signals that `needs` asks for. The replay,
// if one is needed, runs here too, on a fork. Throws bad_input before the first token is read where
// the model's range ends before the document does, or what is read behind it (signals/reach.h).
// DocumentPrompt::read_options() fills the options.
recipe::Signals read_document(Context& context, std::span<const Token> tokens,
                              const recipe::SignalNeeds& needs, const ReadOptions& options,
                              ReadTimes* times = nullptr);

// Fills projected_values of the tokens from `first` on, which must be the last entries of every
// lane and exact.
void measure_values(const Context& context, Index first, recipe::Signals& signals);

// Adds the question's signals (on a fork; the context stays as it is).
void observe_question(const Context& context, std::span<const Token> question,
                      recipe::Signals& signals);

}  // namespace pith
