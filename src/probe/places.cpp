#include "probe/places.h"

#include <algorithm>

namespace pith::probe {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_word(char c) {
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
         static_cast<unsigned char>(c) >= 128;  // part of a symbol of some other script
}

void find_one(std::string_view text, std::string_view answer, std::vector<Bytes>& places) {
  while (!answer.empty() && answer.front() == ' ') answer.remove_prefix(1);
  while (!answer.empty() && answer.back() == ' ') answer.remove_suffix(1);
  if (answer.empty()) return;
  const auto equal = [](char a, char b) { return lower(a) == lower(b); };
  for (auto at = text.begin();; ++at) {
    at = std::search(at, text.end(), answer.begin(), answer.end(), equal);
    if (at == text.end()) return;
    const auto end = at + static_cast<std::ptrdiff_t>(answer.size());
    const bool joined_left = at != text.begin() && is_word(at[-1]) && is_word(answer.front()),
               joined_right = end != text.end() && is_word(*end) && is_word(answer.back());
    if (!joined_left && !joined_right) places.push_back({at - text.begin(), end - text.begin()});
  }
}

}  // namespace

std::vector<Bytes> find_places(std::string_view text, std::string_view answer) {
  constexpr std::string_view kOr = " | ";
  std::vector<Bytes> places;
  for (std::size_t at = 0; at <= answer.size();) {
    const std::size_t end = std::min(answer.find(kOr, at), answer.size());
    find_one(text, answer.substr(at, end - at), places);
    at = end + kOr.size();
  }
  std::sort(places.begin(), places.end(),
            [](const Bytes& a, const Bytes& b) { return a.begin < b.begin; });
  return places;
}

std::vector<Index> tokens_of(Bytes bytes, std::span<const TokenSpan> text_tokens, Index prefix) {
  std::vector<Index> result;
  for (std::size_t t = 0; t < text_tokens.size(); ++t)
    if (text_tokens[t].begin < bytes.end && text_tokens[t].end > bytes.begin)
      result.push_back(prefix + static_cast<Index>(t));
  return result;
}

}  // namespace pith::probe
