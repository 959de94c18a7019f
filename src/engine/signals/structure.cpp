#include "engine/signals/structure.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace pith {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_word(char c) {  // bytes beyond ASCII belong to words
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool separates(std::string_view piece) {
  return !piece.empty() && std::none_of(piece.begin(), piece.end(), is_word);
}

}  // namespace

std::vector<std::int32_t> structure_counts(std::span<const std::string> pieces) {
  std::vector<bool> structural(pieces.size());
  std::map<std::string_view, std::int32_t> occurrences;
  for (std::size_t t = 0; t < pieces.size(); ++t) {
    if (!separates(pieces[t])) continue;
    const bool blank = std::any_of(pieces[t].begin(), pieces[t].end(), is_blank);
    const bool joins = !blank && t > 0 && t + 1 < pieces.size() && !pieces[t - 1].empty() &&
                       !pieces[t + 1].empty() && is_word(pieces[t - 1].back()) &&
                       is_word(pieces[t + 1].front());
    structural[t] = !joins;
    if (!joins) ++occurrences[pieces[t]];
  }
  std::vector<std::int32_t> counts(pieces.size());
  for (std::size_t t = 0; t < pieces.size(); ++t)
    if (structural[t]) counts[t] = occurrences[pieces[t]];
  return counts;
}

std::vector<std::int32_t> structure_of(const Tokenizer& tokenizer, std::span<const Token> tokens) {
  std::vector<std::string> pieces;
  for (Token token : tokens)  // a control token is no punctuation, whatever it is called
    pieces.push_back(tokenizer.is_control(token) ? "" : tokenizer.piece(token, false));
  return structure_counts(pieces);
}

}  // namespace pith
