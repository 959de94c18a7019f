// Cuts a template into text and the tokens of its tags, with Hugging Face's whitespace rules
// applied. It knows no grammar.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace pith::jinja {

// An error in a template's source at a byte offset.
struct SyntaxError : std::runtime_error {
  SyntaxError(const std::string& message, std::size_t offset)
      : std::runtime_error(message), at(offset) {}
  std::size_t at;
};

enum class TokenKind {
  text,
  block_begin,
  block_end,
  variable_begin,
  variable_end,
  name,
  string,
  integer,
  number,
  op,
  end
};

struct Lexeme {
  TokenKind kind;
  std::string text;  // of a string literal: its value
  std::size_t at;    // byte offset in the source
};

// Line ends as \n, and without one at the very end: what Jinja reads a source as. Offsets refer to
// this.
std::string normalise_source(std::string_view source);

// trim_blocks and lstrip_blocks are on. The last token is `end`.
std::vector<Lexeme> tokenize(std::string_view source);

}  // namespace pith::jinja
