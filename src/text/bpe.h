// Byte-level BPE (Radford et al. 2019, as in GPT-2's tokenizer): merges the bytes of a word by
// rank. It does not cut text into words.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/types.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace pith {

// A table from token text to id.
using TokenIds = std::unordered_map<std::string_view, Token>;

// The bytes that a token's text stands for in GPT-2's alphabet, where each byte is written as one
// printable symbol.
std::string bytes_of_bpe_token(std::string_view text);

class Bpe {
 public:
  // Throws bad_model when a merge names a token that is not there. `ids` is used during
  // construction only.
  Bpe(const Vocabulary& vocabulary, const TokenIds& ids, bool takes_words_whole);

  // Work space that is kept between words.
  struct Scratch {
    struct Symbol {
      Token id;
      std::uint32_t begin, end;  // bytes of the word
      std::int32_t previous, next;
    };
    struct Candidate {
      std::int32_t rank, left, right;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  // Appends the tokens of `word`, whose first byte has offset `offset` in the text. A byte that the
  // vocabulary lacks gets no token.
  void encode(std::string_view word, Index offset, Scratch& scratch,
              std::vector<TokenSpan>& out) const;

 private:
  struct Merge {
    Token left, right, result;
  };
  struct Slot {
    std::uint64_t pair = kEmpty;
    std::int32_t rank = -1;
  };
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};

  std::size_t slot_of(std::uint64_t pair) const;
  std::int32_t rank(Token left, Token right) const;
  void push(Scratch& scratch, std::int32_t left, std::int32_t right) const;

  std::array<Token, 256> byte_ids_;
  std::vector<Merge> merges_;  // by rank
  std::vector<Slot> table_;    // open addressing, a power of two, at most half full
  std::unordered_map<std::string, Token>
      whole_words_;  // where the pre-tokenizer takes a known word as it is
};

}  // namespace pith
