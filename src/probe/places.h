// Places: where a text states an answer, as bytes and as tokens of a context. Pure text.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "text/tokenizer.h"

namespace pith::probe {

struct Bytes {
  Index begin = 0, end = 0;  // [begin, end)
};

// Every occurrence of the answer, or of one of its alternatives (separated by " | "), by ascending
// position: ASCII case does not matter, and neither a letter nor a digit may stand beside it.
std::vector<Bytes> find_places(std::string_view text, std::string_view answer);

// The tokens that overlap some bytes, as indices into the context: `prefix` tokens stand before the
// text. A token counts if any of its bytes does, since tokens do not end where answers do.
std::vector<Index> tokens_of(Bytes bytes, std::span<const TokenSpan> text_tokens, Index prefix);

}  // namespace pith::probe
