// Structure: which tokens of a text only separate others. It runs no model.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/types.h"
#include "text/tokenizer.h"

namespace pith {

// For each token that is ASCII punctuation or blanks and does not stand inside a word, a number or
// an identifier ("a.b", "1,234"): how often that piece occurs so in the text. For all others 0.
std::vector<std::int32_t> structure_counts(std::span<const std::string> pieces);  // [T]

std::vector<std::int32_t> structure_of(const Tokenizer& tokenizer, std::span<const Token> tokens);

}  // namespace pith
