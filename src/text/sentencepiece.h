// SentencePiece's BPE (Kudo and Richardson 2018): merges symbols by the score of what they form. It
// matches no control tokens.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/types.h"
#include "text/bpe.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace pith {

class SentencePiece {
 public:
  // Keeps a reference to `vocabulary`, whose address must not change. Throws bad_model when a byte
  // could not be expressed.
  explicit SentencePiece(const Vocabulary& vocabulary);

  struct Scratch {
    struct Symbol {
      std::uint32_t begin, end;  // bytes of the escaped text
      std::int32_t previous, next;
    };
    struct Candidate {
      float score;
      std::int32_t left, right;
      std::uint32_t length;  // of both together: tells whether they are still what they were
    };
    std::string escaped;                // spaces as U+2581
    std::vector<std::uint32_t> source;  // [bytes of escaped + 1] -> offset in the text as given
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  // Appends the tokens of `text`, whose first byte has offset `offset`; `prefix` puts a space in
  // front of it.
  void encode(std::string_view text, Index offset, bool prefix, Scratch& scratch,
              std::vector<TokenSpan>& out) const;

 private:
  void encode_chunk(std::uint32_t begin, std::uint32_t end, Index offset, Scratch& scratch,
                    std::vector<TokenSpan>& out) const;
  void push(Scratch& scratch, std::int32_t left, std::int32_t right) const;
  Token find(std::string_view piece) const;

  const Vocabulary* vocabulary_;
  TokenIds pieces_;
  std::size_t longest_ = 0;
  std::array<Token, 256> byte_ids_;
  std::unordered_set<char32_t> before_space_;  // symbols that some piece has in front of a U+2581
};

// The bytes that a normal token's text stands for: U+2581 is a space.
std::string bytes_of_sentencepiece_token(std::string_view text);

}  // namespace pith
