// What became of an item's source tokens in a compressed cache, read off the spans of the cache's
// own entries. It knows no recipe, and does not say whether the model used what is left.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "cache/cache.h"
#include "eval/suite.h"
#include "probe/kept.h"
#include "text/tokenizer.h"

namespace pith::eval {

// Shares count (lane, token) pairs of the layers that attend to everything: a sliding window loses
// its old tokens under every recipe. All is 0 where there are no tokens.
struct Survival {
  Index tokens = 0;        // that the answer, or its support, is made of
  double kept = 0;         // share held exactly
  double summarised = 0;   // share held in a summary or virtual entry only
  double evicted = 0;      // share of the tokens that none of these lanes holds in any form: GER
                           // over all lanes (arXiv 2603.01426)
  Index in_summaries = 0;  // tokens that these lanes hold in summaries and nowhere exactly
  Index layers = 0;        // in which some lane or other holds every token exactly
  std::vector<double> kept_by_layer;  // [L], share held exactly
  std::vector<double> kept_by_token;  // [tokens]
};

// The tokens of a document's text with the bytes that they stand for.
class SourceTokens {
 public:
  SourceTokens() = default;
  // `first` is the index in the context of the text's first token.
  SourceTokens(const Tokenizer& tokenizer, std::string_view text, Index first)
      : SourceTokens(tokenizer.encode_spans(text), first) {}
  SourceTokens(std::vector<TokenSpan> tokens, Index first)
      : tokens_(std::move(tokens)), first_(first) {}

  // Indices in the context of the tokens that overlap a span, ascending, each once.
  std::vector<Index> overlapping(std::span<const TextSpan> spans) const;
  TextSpan bytes(Index token) const {
    const auto& span = tokens_[static_cast<std::size_t>(token - first_)];
    return {span.begin, span.end};
  }

 private:
  std::vector<TokenSpan> tokens_;
  Index first_ = 0;
};

// Which tokens each lane of a cache still holds.
class HeldTokens {
 public:
  HeldTokens(const cache::Cache& cache, Index tokens);  // of source tokens [0, tokens)
  Survival of(std::span<const Index> tokens) const;

 private:
  probe::HeldSets sets_;
};

// Where the literal answers of an item stand, all references together.
std::vector<TextSpan> answer_spans(const Item& item);

}  // namespace pith::eval
