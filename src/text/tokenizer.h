// Text to token ids and back, as the model's GGUF file prescribes: byte-level BPE or SentencePiece.
// It knows no chat format.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "gguf/gguf.h"

namespace pith {

struct Vocabulary;  // text/vocabulary.h

struct TokenizeOptions {
  // Recognise control tokens such as <|im_end|> in the text; otherwise they are plain text.
  bool parse_special = false;
  // Add the model's beginning (and end) of sequence token where its file asks for one.
  bool add_special = false;
};

// A token of a text with the bytes of the text that it stands for.
struct TokenSpan {
  Token id;
  Index begin, end;  // byte offsets in the text as given
  bool operator==(const TokenSpan&) const = default;
};

class Tokenizer {
 public:
  // Throws bad_model when the vocabulary is missing, inconsistent or of a kind that pith does not
  // know (naming it and the known ones).
  static Tokenizer from_gguf(const gguf::File& file);
  static Tokenizer from_vocabulary(Vocabulary vocabulary);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Invalid UTF-8 is refused with bad_input and its byte offset. A byte that a BPE vocabulary
  // cannot express gets no token, as in the tokenizers that models are trained with (SmolLM2 lacks
  // 21, such as 0x04 and 0xC0). Safe to call from several threads at once.
  std::vector<Token> encode(std::string_view text, TokenizeOptions options = {}) const;
  // The same with byte offsets, for provenance: tokens partition the text (a token that is part of
  // a symbol spans the whole symbol, bytes without a token belong to the token in front).
  std::vector<TokenSpan> encode_spans(std::string_view text, TokenizeOptions options = {}) const;

  // The bytes of the tokens, control tokens included when `with_special`. May end in the middle of
  // a symbol.
  std::string decode(std::span<const Token> tokens, bool with_special = true) const;
  std::string piece(Token token, bool with_special = true) const;

  Index vocabulary_size() const;
  Token bos() const;  // -1 where the model has none
  Token eos() const;
  bool is_end_of_generation(Token token) const;  // eos, end-of-turn and the like
  bool is_control(Token token) const;
  Token find(std::string_view piece) const;  // the id of exactly this vocabulary entry, or -1
  std::string_view kind() const;             // "gpt2/qwen2", "gpt2/smollm", "llama" ...

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Collects decoded bytes and gives out whole UTF-8 symbols only: for streaming tokens to a terminal
// or a client.
class Utf8Stream {
 public:
  std::string push(std::string_view bytes);  // what can be shown now
  std::string flush();                       // the rest, with invalid bytes replaced by U+FFFD

 private:
  std::string pending_;
};

}  // namespace pith
