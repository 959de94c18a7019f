// Texts that are read behind a context to see what attends to it: the parts of a replay, the
// continuations of self-study. It samples their queries; scores of a replay are replay.h's
// business, what the queries are for is a recipe's.
#pragma once

#include <span>
#include <vector>

#include "engine/context.h"
#include "recipe/signals.h"

namespace pith {

// Reads each text on a fork of its own, which sees the chat prefix and what the text is about, as
// far as the context still holds them. The sample is of all texts, one after another.
recipe::ReferenceQueries read_references(const Context& context,
                                         std::span<const recipe::ReferenceText> texts, Index count,
                                         Index prefix, bool with_surprisal = false);

// Adds the queries of `more` behind those of `to`, with their surprisal.
void join_queries(recipe::ReferenceQueries& to, const recipe::ReferenceQueries& more, Index heads);

// The texts of self-study (Attention Matching, arXiv 2602.16284, after Cartridges, 2506.06266): the
// model summarises its context, gathers facts from it, writes it as JSON and asks questions about
// it; with sampled, so that the same seed gives the same texts. Four short ones, written together:
// they cost kStudyTokens steps of decoding.
inline constexpr Index kStudyTokens = 64;
std::vector<recipe::ReferenceText> study_texts(const Context& context, Index prefix,
                                               std::span<const Token> answer_prompt, Index seed);

// The most tokens that one of them has, with its request and the answer prompt.
Index longest_study(const Engine& engine, std::span<const Token> answer_prompt);

// Adds the queries of `texts`, which study_texts() wrote, to studies of which the replay's part is
// there (replay.h).
void finish_study(const Context& context, std::vector<recipe::ReferenceText> texts,
                  recipe::StudySignals& study, const recipe::Signals& signals);

}  // namespace pith
