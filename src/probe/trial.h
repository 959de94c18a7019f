// A trial: a text that a cache is asked to go on with, and how its predictions of it compare with
// those of the full cache.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/context.h"
#include "probe/fidelity.h"

namespace pith::probe {

struct Trial {
  std::vector<Token> prompt;        // read, not predicted
  std::vector<Token> continuation;  // predicted token by token, each after the true ones before it
  std::vector<float> full_logits;   // [continuation, V] from the full cache

  std::vector<Token> tokens() const;  // prompt and continuation
};

// A question with the full cache's own answer as continuation, or any other text.
Trial make_trial(const Context& full, std::vector<Token> prompt, std::vector<Token> continuation);

// The model repeats part of its context: about `tokens` tokens from the middle of the document
// (methods: KVzip's replay prompt, dNLL of a replay). No question is needed.
Trial make_replay(const Context& full, Index prefix_tokens, Index tokens,
                  std::span<const Token> answer_prompt);

// `context` stays as it is.
Fidelity run_trial(const Trial& trial, const Context& context);

// Reads tokens into a context and returns the mean of the final hidden states of the first `count`
// of them: [E]. What a probing classifier reads.
std::vector<float> read_pooled(Context& context, std::span<const Token> tokens, Index count,
                               ReadObserver* observer = nullptr);

}  // namespace pith::probe
