#include "text/sentencepiece.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "text/utf8.h"

namespace pith {
namespace {

constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581
constexpr char32_t kSpaceSymbol = 0x2581;
constexpr std::size_t kMaxPiece =
    4096;  // each merge looks a piece up by its text, so their length is a factor of the time

// "<0x0A>" -> 10, anything else -> -1.
int byte_of_token(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text.back() != '>') return -1;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, value, 16);
  return error == std::errc() && end == text.data() + 5 ? static_cast<int>(value) : -1;
}

// Best first at the top of a max-heap: the highest score, then the leftmost.
bool is_worse(const SentencePiece::Scratch::Candidate& a,
              const SentencePiece::Scratch::Candidate& b) {
  return a.score != b.score ? a.score < b.score : a.left > b.left;
}

}  // namespace

std::string bytes_of_sentencepiece_token(std::string_view text) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t space; (space = text.find(kSpace, at)) != std::string_view::npos;
       at = space + kSpace.size()) {
    out += text.substr(at, space - at);
    out += ' ';
  }
  return out += text.substr(at);
}

SentencePiece::SentencePiece(const Vocabulary& vocabulary) : vocabulary_(&vocabulary) {
  byte_ids_.fill(vocabulary.unknown);
  for (std::size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const std::string& text = vocabulary.tokens[i];
    const auto id = static_cast<Token>(i);
    const TokenType type = vocabulary.types[i];
    if (type == TokenType::byte) {
      const int byte = byte_of_token(text);
      if (byte < 0) {
        fail(ErrorCode::bad_model,
             fmt::format("{}: byte token {} is \"{}\"; <0x00> to <0xFF> were expected",
                         vocabulary.name, i, text));
      }
      byte_ids_[static_cast<std::size_t>(byte)] = id;
      continue;
    }
    // Plain text must not be able to spell a control token.
    if (type == TokenType::control || type == TokenType::unknown || text.empty()) continue;
    if (text.size() > kMaxPiece) {
      fail(ErrorCode::bad_model, fmt::format("{}: token {} has {} bytes; at most {} are supported",
                                             vocabulary.name, i, text.size(), kMaxPiece));
    }
    pieces_.emplace(text, id);
    longest_ = std::max(longest_, text.size());
    char32_t previous = 0;
    for (std::size_t at = 0; at < text.size();) {
      const bool first = at == 0;
      const char32_t symbol = next_symbol(text, at);
      if (symbol == kSpaceSymbol && !first) before_space_.insert(previous);
      previous = symbol;
    }
  }
  for (std::size_t byte = 0; byte < 256; ++byte) {
    if (byte_ids_[byte] < 0) {
      fail(ErrorCode::bad_model,
           fmt::format("{}: there is no token for byte 0x{:02x} and none for unknown text",
                       vocabulary.name, byte));
    }
  }
}

Token SentencePiece::find(std::string_view piece) const {
  if (piece.size() > longest_) return -1;
  const auto found = pieces_.find(piece);
  return found == pieces_.end() ? -1 : found->second;
}

void SentencePiece::encode(std::string_view text, Index offset, bool prefix, Scratch& scratch,
                           std::vector<TokenSpan>& out) const {
  auto& [escaped, source, symbols, heap] = scratch;
  escaped.clear();
  source.clear();
  const auto put = [&](std::string_view bytes, std::size_t begin) {
    escaped += bytes;
    source.insert(source.end(), bytes.size(), static_cast<std::uint32_t>(begin));
  };
  if (prefix) put(kSpace, 0);
  // A merge over a boundary needs a piece that holds the symbols on both sides. So the text falls
  // apart, without any change to the result, in front of each space that follows a symbol which no
  // piece has there: the heap stays as small as a word.
  std::uint32_t begin = 0;
  char32_t previous = prefix ? kSpaceSymbol : 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    char32_t symbol = next_symbol(text, at);
    if (symbol == ' ') symbol = kSpaceSymbol;
    if (symbol == kSpaceSymbol && !escaped.empty() && !before_space_.contains(previous)) {
      source.push_back(static_cast<std::uint32_t>(start));
      encode_chunk(begin, static_cast<std::uint32_t>(escaped.size()), offset, scratch, out);
      source.pop_back();
      begin = static_cast<std::uint32_t>(escaped.size());
    }
    put(symbol == kSpaceSymbol ? kSpace : text.substr(start, at - start), start);
    previous = symbol;
  }
  source.push_back(static_cast<std::uint32_t>(text.size()));
  encode_chunk(begin, static_cast<std::uint32_t>(escaped.size()), offset, scratch, out);
}

void SentencePiece::push(Scratch& scratch, std::int32_t left, std::int32_t right) const {
  if (left < 0 || right < 0) return;
  const auto& a = scratch.symbols[static_cast<std::size_t>(left)];
  const auto& b = scratch.symbols[static_cast<std::size_t>(right)];
  const std::uint32_t length = b.end - a.begin;
  const Token id = find(std::string_view(scratch.escaped).substr(a.begin, length));
  if (id < 0) return;
  scratch.heap.push_back({vocabulary_->scores[static_cast<std::size_t>(id)], left, right, length});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), is_worse);
}

void SentencePiece::encode_chunk(std::uint32_t begin, std::uint32_t end, Index offset,
                                 Scratch& scratch, std::vector<TokenSpan>& out) const {
  auto& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  const std::string_view text = scratch.escaped;
  symbols.clear();
  heap.clear();
  for (std::uint32_t at = begin; at < end;) {
    const auto i = static_cast<std::int32_t>(symbols.size());
    const std::uint32_t next = at + static_cast<std::uint32_t>(symbol_length(text[at]));
    symbols.push_back({at, next, i - 1, next == end ? -1 : i + 1});
    push(scratch, i - 1, i);
    at = next;
  }
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), is_worse);
    const auto best = heap.back();
    heap.pop_back();
    auto& left = symbols[static_cast<std::size_t>(best.left)];
    auto& right = symbols[static_cast<std::size_t>(best.right)];
    if (left.next != best.right || right.end - left.begin != best.length)
      continue;  // merged otherwise meanwhile
    left.end = right.end;
    left.next = right.next;
    if (right.next >= 0) symbols[static_cast<std::size_t>(right.next)].previous = best.left;
    right.next = right.previous = -2;
    push(scratch, left.previous, best.left);
    push(scratch, best.left, left.next);
  }
  for (std::int32_t i = symbols.empty() ? -1 : 0; i >= 0;
       i = symbols[static_cast<std::size_t>(i)].next) {
    const auto& symbol = symbols[static_cast<std::size_t>(i)];
    const Index from = offset + scratch.source[symbol.begin],
                to = offset + scratch.source[symbol.end];
    const Token id = find(text.substr(symbol.begin, symbol.end - symbol.begin));
    if (id >= 0) {
      out.push_back({id, from, to});
      continue;
    }
    for (std::uint32_t at = symbol.begin; at < symbol.end; ++at) {
      out.push_back({byte_ids_[static_cast<unsigned char>(text[at])], from, to});
    }
  }
}

}  // namespace pith
