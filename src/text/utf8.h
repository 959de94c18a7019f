// UTF-8: checking, reading and writing of symbols. It normalises nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace pith {

// The byte offset of the first byte that is not part of valid UTF-8 (overlong forms and surrogates
// are invalid), or nothing.
std::optional<Index> find_invalid_utf8(std::string_view text);

// Throws bad_input with the byte offset and value; `what` names the text in the message ("the
// text").
void require_utf8(std::string_view text, std::string_view what);

// The length in bytes that a symbol's first byte promises: 1 to 4. For valid text only.
inline int symbol_length(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

inline bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

// The code point at `at`, which is moved behind it. For valid text only.
char32_t next_symbol(std::string_view text, std::size_t& at);

void append_symbol(std::string& out, char32_t symbol);

}  // namespace pith
