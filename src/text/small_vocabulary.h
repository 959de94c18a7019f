// Two vocabularies of a few dozen tokens, for tests and fuzzing. No model uses them.
#pragma once

#include <fmt/format.h>

#include <string>

#include "text/utf8.h"
#include "text/vocabulary.h"

namespace pith::testing {

inline Token add_token(Vocabulary& v, std::string text, TokenType type = TokenType::normal,
                       float score = 0) {
  v.tokens.push_back(std::move(text));
  v.types.push_back(type);
  if (v.model == "llama") v.scores.push_back(score);
  return static_cast<Token>(v.tokens.size()) - 1;
}

// Ids: 0-255 the bytes in the alphabet's order (printable ASCII is its value less 33), then "he"
// 256, "ll" 257, "hell" 258, "hello" 259,
// "\xc4\xa0w" (a space and a w) 260, "<|end|>" 261 (control), "<tool>" 262 (user-defined), "<pad>"
// 263 (unused).
inline Vocabulary small_bpe(std::string pre = "qwen2") {
  Vocabulary v;
  v.name = "small";
  v.model = "gpt2";
  v.pre = std::move(pre);
  const auto add_range = [&](char32_t first, char32_t last) {
    for (char32_t symbol = first; symbol <= last; ++symbol) {
      std::string text;
      append_symbol(text, symbol);
      add_token(v, text);
    }
  };
  add_range(0x21, 0x7e);
  add_range(0xa1, 0xac);
  add_range(0xae, 0xff);
  add_range(0x100, 0x143);
  for (const char* text : {"he", "ll", "hell", "hello", "\xc4\xa0w"}) add_token(v, text);
  v.merges = {"h e", "l l", "he ll", "hell o", "\xc4\xa0 w"};
  v.eos = add_token(v, "<|end|>", TokenType::control);
  add_token(v, "<tool>", TokenType::user_defined);
  add_token(v, "<pad>", TokenType::unused);
  return v;
}

// Ids: 0 <unk>, 1 <s>, 2 </s>, 3-258 the bytes, then U+2581 259, "a" 260, "b" 261, "ab" 262, U+2581
// "a" 263, "aba" 264, "<h1>" 265.
inline Vocabulary small_sentencepiece(bool add_space_prefix) {
  Vocabulary v;
  v.name = "small";
  v.model = "llama";
  v.add_bos = true;
  v.add_space_prefix = add_space_prefix;
  v.unknown = add_token(v, "<unk>", TokenType::unknown);
  v.bos = add_token(v, "<s>", TokenType::control);
  v.eos = add_token(v, "</s>", TokenType::control);
  for (int byte = 0; byte < 256; ++byte)
    add_token(v, fmt::format("<0x{:02X}>", byte), TokenType::byte);
  add_token(v, "\xe2\x96\x81", TokenType::normal, -10);
  add_token(v, "a", TokenType::normal, -11);
  add_token(v, "b", TokenType::normal, -12);
  add_token(v, "ab", TokenType::normal, -3);
  add_token(v,
            "\xe2\x96\x81"
            "a",
            TokenType::normal, -2);
  add_token(v, "aba", TokenType::normal, -1);
  add_token(v, "<h1>", TokenType::user_defined, 0);
  return v;
}

}  // namespace pith::testing
