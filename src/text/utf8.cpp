#include "text/utf8.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "text/tokenizer.h"

namespace pith {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

unsigned byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

// What a prefix of `text` at `at` is: a whole symbol, the beginning of one, or neither. `length`
// counts the bytes of the symbol, of the beginning, or of the longest run that could have begun one
// (Unicode's "maximal subpart").
enum class Shape { whole, partial, invalid };
struct Look {
  Shape shape;
  std::size_t length;
};

Look look_at(std::string_view text, std::size_t at) {
  const unsigned first = byte_at(text, at);
  if (first < 0x80) return {Shape::whole, 1};
  if (first < 0xc2 || first > 0xf4) return {Shape::invalid, 1};
  const std::size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  unsigned low = 0x80, high = 0xbf;  // bounds of the second byte: no overlong form, no surrogate,
                                     // nothing above U+10FFFF
  if (first == 0xe0) low = 0xa0;
  if (first == 0xed) high = 0x9f;
  if (first == 0xf0) low = 0x90;
  if (first == 0xf4) high = 0x8f;
  for (std::size_t k = 1; k < length; ++k) {
    if (at + k == text.size()) return {Shape::partial, k};
    const unsigned byte = byte_at(text, at + k);
    if (byte < low || byte > high) return {Shape::invalid, k};
    low = 0x80;
    high = 0xbf;
  }
  return {Shape::whole, length};
}

}  // namespace

std::optional<Index> find_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t word;
    while (at + sizeof word <= text.size()) {
      std::memcpy(&word, text.data() + at, sizeof word);
      if (word & 0x8080808080808080u) break;
      at += sizeof word;
    }
    if (at == text.size()) break;
    const Look look = look_at(text, at);
    if (look.shape != Shape::whole) return static_cast<Index>(at);
    at += look.length;
  }
  return std::nullopt;
}

void require_utf8(std::string_view text, std::string_view what) {
  const auto at = find_invalid_utf8(text);
  if (!at) return;
  fail(ErrorCode::bad_input,
       fmt::format("{} is not valid UTF-8: byte 0x{:02x} at offset {}; convert it to UTF-8 first",
                   what, byte_at(text, static_cast<std::size_t>(*at)), *at));
}

char32_t next_symbol(std::string_view text, std::size_t& at) {
  const unsigned first = byte_at(text, at);
  const int length = symbol_length(text[at]);
  char32_t symbol = length == 1 ? first : first & (0x7fu >> length);
  for (int k = 1; k < length; ++k) {
    symbol = (symbol << 6) | (byte_at(text, at + static_cast<std::size_t>(k)) & 0x3fu);
  }
  at += static_cast<std::size_t>(length);
  return symbol;
}

void append_symbol(std::string& out, char32_t symbol) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (symbol < 0x80) {
    put(symbol);
  } else if (symbol < 0x800) {
    put(0xc0 | (symbol >> 6));
    put(0x80 | (symbol & 0x3f));
  } else if (symbol < 0x10000) {
    put(0xe0 | (symbol >> 12));
    put(0x80 | ((symbol >> 6) & 0x3f));
    put(0x80 | (symbol & 0x3f));
  } else {
    put(0xf0 | (symbol >> 18));
    put(0x80 | ((symbol >> 12) & 0x3f));
    put(0x80 | ((symbol >> 6) & 0x3f));
    put(0x80 | (symbol & 0x3f));
  }
}

std::string Utf8Stream::push(std::string_view bytes) {
  pending_ += bytes;
  std::string out;
  std::size_t at = 0;
  while (at < pending_.size()) {
    const Look look = look_at(pending_, at);
    if (look.shape == Shape::partial) break;
    if (look.shape == Shape::whole) {
      out.append(pending_, at, look.length);
    } else {
      out += kReplacement;
    }
    at += look.length;
  }
  pending_.erase(0, at);
  return out;
}

std::string Utf8Stream::flush() {
  std::string out;
  if (!pending_.empty()) out = kReplacement;
  pending_.clear();
  return out;
}

}  // namespace pith
