// The stretches of a document around the places that matter for one item, cut into marked pieces.
// It knows nothing of answers or caches.
#pragma once

#include <string>
#include <vector>

#include "eval/documents.h"

namespace pith::eval {

struct Piece {
  enum class Kind { text, answer, support, gap };
  Kind kind = Kind::text;
  std::string text;  // empty for a gap
  Index number = 0;  // answer: which of DocumentItem::answer_tokens; gap: bytes left out
};

// `around` bytes before and after each span, cut at word ends where there are any near; stretches
// that touch are joined. After `places` stretches the rest is one gap.
std::vector<Piece> excerpt(const DocumentRecord& document, const DocumentItem& item, Index around,
                           Index places);

// At most `bytes` bytes, whole UTF-8 symbols.
std::string_view head(std::string_view text, Index bytes);

}  // namespace pith::eval
