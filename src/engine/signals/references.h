// Texts that are read behind a context to see what attends to it: the parts of a replay, the
// continuations of self-study. It samples their queries; scores of a replay are replay.h's
// business, what the queries are for is a recipe's.
#pragma once

#include <span>
#include <vector>

#include "engine/context.h"
#include "recipe/signals.h"

namespace pith {

struct ReferenceReading {
  std::vector<std::vector<float>> queries;  // [L][Hq, count, D], evenly spaced over all texts
  Index count = 0;
  std::vector<float> surprisal;  // [count] of the tokens that they predict; empty if not asked for
};
// Reads each text on a fork of its own, which sees the chat prefix and what the text is about, as
// far as the context still holds them.
ReferenceReading read_references(const Context& context,
                                 std::span<const recipe::ReferenceText> texts, Index count,
                                 Index prefix, bool with_surprisal = false);

// Queries of two samples as one: [Hq, a, D] and [Hq, b, D] -> [Hq, a + b, D].
std::vector<float> join_queries(std::span<const float> a, std::span<const float> b, Index heads);

// The texts of self-study (Attention Matching, arXiv 2602.16284, after Cartridges, 2506.06266): the
// model summarises its context, gathers facts from it, writes it as JSON and asks questions about
// it; with sampled, so that the same seed gives the same texts. Four short ones, written together:
// they cost kStudyTokens steps of decoding.
inline constexpr Index kStudyTokens = 64;
std::vector<recipe::ReferenceText> study_texts(const Context& context, Index prefix,
                                               std::span<const Token> answer_prompt, Index seed);

// Adds the queries of `texts`, which study_texts() wrote, to studies of which the replay's part is
// there (replay.h).
void finish_study(const Context& context, std::vector<recipe::ReferenceText> texts,
                  recipe::StudySignals& study, const recipe::Signals& signals);

}  // namespace pith
