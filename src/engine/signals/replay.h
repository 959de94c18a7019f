// The replay of KVzip (Kim et al. 2025, arXiv 2505.23416): the model is asked to repeat its
// context, chunk by chunk, and what the repetition attends to is what the context cannot do
// without. KVzip+ (NVIDIA/kvpress) normalises rows and columns of that attention. Scores only; what
// is kept is a recipe's choice.
#pragma once

#include <span>
#include <vector>

#include "engine/context.h"
#include "recipe/signals.h"

namespace pith {

struct ReadOptions;  // engine/reading.h

inline constexpr Index kGradientChunk = 512;  // KVgrad's

struct ReplayOptions {
  Index prefix_tokens = 0;  // chat template before the document: never scored, always visible
  Index chunk = recipe::kReplayChunk;  // document tokens repeated at once
  Index sinks = 4;  // first tokens that take part in the softmax of every chunk, where it sees them
  bool whole_context =
      false;  // let the replay attend to all of the context, as kvpress does; otherwise to prefix
              // and chunk only, which bounds its cost at long contexts
  bool plain = true, plus = true;               // which scores to fill: `replay`, `replay_plus`
  std::vector<Token> answer_prompt;             // chat tokens between a question and its answer
  std::vector<Index> queries = {};              // sample so many of the replay's queries, too
  std::vector<recipe::SelfStudy> studies = {};  // ... and the replay's part of these
  bool gradients = false;                       // fill replay_gradient, and nothing else
  Progress progress;
};

// What a recipe asks of a replay, under the options of the reading.
ReplayOptions replay_options(const recipe::SignalNeeds& needs, const ReadOptions& options);

// Fills `replay`, `replay_plus`, `replay_queries`, their surprisal (if the context's is known) and
// the replay's part of studies, as far as they are asked for.
// The context stays as it is; it must be uncompressed.
void replay(const Context& context, const ReplayOptions& options, recipe::Signals& signals);

// The same for the tokens from `begin` on, which must be whole in every lane: what came before may
// have been compressed. Signals have room for all tokens; those of the others stay as they are.
void replay_newest(const Context& context, Index begin, const ReplayOptions& options,
                   recipe::Signals& signals);

// The prompts of all chunks with the document tokens that each repeats; exposed for tests.
// Tokens: prompt, answer prompt and the chunk itself.
using ReplayChunk = recipe::ReferenceText;
// The same for one part [begin, end) of the document.
ReplayChunk replay_chunk(const Engine& engine, std::span<const Token> context, Index begin,
                         Index end, const ReplayOptions& options);
std::vector<ReplayChunk> replay_chunks(const Engine& engine, std::span<const Token> context,
                                       const ReplayOptions& options);

}  // namespace pith
