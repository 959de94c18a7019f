// From recipe to smaller cache: collects the signals that recipes need while a context reads, and
// carries out their stages.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/context.h"
#include "recipe/recipe.h"
#include "recipe/signals.h"

namespace pith {

struct CompressionReport {
  Index entries_before = 0, entries_after = 0;
  Index bytes_before = 0, bytes_after = 0;
  Index full_bytes = 0;  // the full bf16 cache of the same tokens
  Index cold_bytes = 0;  // of a whole cache that is kept aside for later (rerouting.h)
  double seconds =
      0;  // planning and applying; the replay, shared by all recipes of one read, is in ReadTimes
  std::string note;  // for people: an optimisation that came to nothing; mostly empty
  double ratio() const {
    return bytes_after > 0 ? static_cast<double>(full_bytes) / static_cast<double>(bytes_after) : 0;
  }
};

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

// Throws bad_recipe for a recipe that wants to be carried out again while the answer is written:
// only Rerouting (rerouting.h) does that.
void refuse_routing_again(const recipe::Recipe& recipe);

// Carries out all stages of a recipe on a context, unless it wants to route again. `progress` hears
// of stages that run the model.
CompressionReport compress(Context& context, const recipe::Recipe& recipe,
                           const recipe::Signals& signals, const Progress& progress = {});

// The same, whatever the recipe wants later.
CompressionReport compress_once(Context& context, const recipe::Recipe& recipe,
                                const recipe::Signals& signals, const Progress& progress = {});

}  // namespace pith
