// The vocabulary of a model as plain data, read from a GGUF file or written by hand in a test. It
// cannot tokenize.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"
#include "gguf/gguf.h"

namespace pith {

enum class TokenType {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

struct Vocabulary {
  std::string name = "vocabulary";  // of the file, for messages
  std::string model;                // "gpt2" (byte-level BPE) or "llama" (SentencePiece)
  std::string pre;                  // how BPE cuts text into words: "qwen2", "smollm" ...
  std::vector<std::string> tokens;  // [V]
  std::vector<TokenType> types;     // [V]
  std::vector<float> scores;        // [V], SentencePiece only
  std::vector<std::string> merges;  // "left right", best first; BPE only
  Token bos = -1, eos = -1, unknown = -1;
  std::vector<Token> end_of_generation;  // besides eos
  bool add_bos = false, add_eos = false;
  bool add_space_prefix = false;

  static Vocabulary from_gguf(const gguf::File& file);
  // Throws bad_model when the arrays disagree, an id lies outside them, or a token is not UTF-8.
  void check() const;
};

}  // namespace pith
