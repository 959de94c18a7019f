#include "text/jinja/strings.h"

#include <fmt/format.h>
#include <unicode/ucasemap.h>
#include <unicode/uchar.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "text/utf8.h"

namespace pith::jinja {
namespace {

using CaseFunction = decltype(&ucasemap_utf8ToUpper);

std::string map_case(std::string_view text, CaseFunction function) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UCaseMap, decltype(&ucasemap_close)> map(ucasemap_open("", 0, &status),
                                                                 &ucasemap_close);
  PITH_CHECK(U_SUCCESS(status), u_errorName(status));
  std::string out(text.size() + 16, '\0');
  for (;;) {
    status = U_ZERO_ERROR;
    const std::int32_t size =
        function(map.get(), out.data(), static_cast<std::int32_t>(out.size()), text.data(),
                 static_cast<std::int32_t>(text.size()), &status);
    const bool too_small = status == U_BUFFER_OVERFLOW_ERROR;
    PITH_CHECK(too_small || U_SUCCESS(status), u_errorName(status));
    out.resize(static_cast<std::size_t>(size));
    if (!too_small) return out;
  }
}

// The symbol that ends at byte `end`.
std::size_t symbol_before(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (is_continuation(text[at])) --at;
  return at;
}

std::string upper_symbol(char32_t symbol) {
  std::string text;
  append_symbol(text, static_cast<char32_t>(u_totitle(static_cast<UChar32>(symbol))));
  return text;
}

bool has_case(char32_t symbol) {
  const auto c = static_cast<UChar32>(symbol);
  return u_isUUppercase(c) || u_isULowercase(c) || u_istitle(c);
}

bool is_of_class(char32_t symbol, SymbolClass wanted) {
  const auto c = static_cast<UChar32>(symbol);
  const auto number = u_getIntPropertyValue(c, UCHAR_NUMERIC_TYPE);
  switch (wanted) {
    case SymbolClass::alpha:
      return u_isalpha(c);
    case SymbolClass::digit:
      return number == U_NT_DECIMAL || number == U_NT_DIGIT;
    case SymbolClass::alnum:
      return u_isalpha(c) || number != U_NT_NONE;
    case SymbolClass::space:
      return is_space(symbol);
    case SymbolClass::upper:
      return u_isUUppercase(c);
    case SymbolClass::lower:
      return u_isULowercase(c);
  }
  return false;
}

}  // namespace

bool is_space(char32_t symbol) {
  if (symbol < 0x80)
    return symbol == ' ' || (symbol >= 9 && symbol <= 13) || (symbol >= 0x1c && symbol <= 0x1f);
  return u_isUWhiteSpace(static_cast<UChar32>(symbol));
}

std::size_t leading_space(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    if (!is_space(next_symbol(text, at))) return begin;
  }
  return text.size();
}

std::size_t trailing_space(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0) {
    std::size_t at = symbol_before(text, end);
    const std::size_t begin = at;
    if (!is_space(next_symbol(text, at))) break;
    end = begin;
  }
  return text.size() - end;
}

std::string_view strip(std::string_view text, Side side) {
  if (side != Side::right) text.remove_prefix(leading_space(text));
  if (side != Side::left) text.remove_suffix(trailing_space(text));
  return text;
}

std::string_view strip(std::string_view text, std::string_view symbols, Side side) {
  std::vector<char32_t> set;
  for (std::size_t at = 0; at < symbols.size();) set.push_back(next_symbol(symbols, at));
  std::sort(set.begin(), set.end());
  const auto contains = [&](char32_t symbol) {
    return std::binary_search(set.begin(), set.end(), symbol);
  };
  while (side != Side::right && !text.empty()) {
    std::size_t at = 0;
    if (!contains(next_symbol(text, at))) break;
    text.remove_prefix(at);
  }
  while (side != Side::left && !text.empty()) {
    const std::size_t begin = symbol_before(text, text.size());
    std::size_t at = begin;
    if (!contains(next_symbol(text, at))) break;
    text.remove_suffix(text.size() - begin);
  }
  return text;
}

std::vector<std::string_view> split(std::string_view text, Index limit, Side from) {
  std::vector<std::string_view> parts;
  text = strip(text, from == Side::right ? Side::right : Side::left);
  while (!text.empty()) {
    if (limit >= 0 && static_cast<Index>(parts.size()) == limit) {
      parts.push_back(text);  // Python keeps the space at the far end of the rest
      break;
    }
    if (from == Side::right) {
      std::size_t begin = text.size();
      while (begin > 0) {
        const std::size_t at = symbol_before(text, begin);
        std::size_t next = at;
        if (is_space(next_symbol(text, next))) break;
        begin = at;
      }
      parts.push_back(text.substr(begin));
      text = strip(text.substr(0, begin), Side::right);
    } else {
      std::size_t end = 0;
      while (end < text.size()) {
        std::size_t next = end;
        if (is_space(next_symbol(text, next))) break;
        end = next;
      }
      parts.push_back(text.substr(0, end));
      text = strip(text.substr(end), Side::left);
    }
  }
  if (from == Side::right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator, Index limit,
                                    Side from) {
  std::vector<std::string_view> parts;
  while (limit < 0 || static_cast<Index>(parts.size()) < limit) {
    const std::size_t at = from == Side::right ? text.rfind(separator) : text.find(separator);
    if (at == std::string_view::npos) break;
    if (from == Side::right) {
      parts.push_back(text.substr(at + separator.size()));
      text = text.substr(0, at);
    } else {
      parts.push_back(text.substr(0, at));
      text = text.substr(at + separator.size());
    }
  }
  parts.push_back(text);
  if (from == Side::right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  const auto is_line_end = [](char32_t s) {
    return (s >= 10 && s <= 13) || (s >= 0x1c && s <= 0x1e) || s == 0x85 || s == 0x2028 ||
           s == 0x2029;
  };
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = at;
    const char32_t symbol = next_symbol(text, at);
    if (!is_line_end(symbol)) continue;
    if (symbol == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(text.substr(begin, (keep_ends ? at : end) - begin));
    begin = at;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::string replace(std::string_view text, std::string_view from, std::string_view to,
                    Index limit) {
  std::string out;
  std::size_t at = 0;
  for (Index done = 0; limit < 0 || done < limit; ++done) {
    if (from.empty()) {  // Python puts `to` in front of each symbol and at the end
      out += to;
      if (at == text.size()) return out;
      const auto length = static_cast<std::size_t>(symbol_length(text[at]));
      out += text.substr(at, length);
      at += length;
      continue;
    }
    const std::size_t found = text.find(from, at);
    if (found == std::string_view::npos) break;
    out += text.substr(at, found - at);
    out += to;
    at = found + from.size();
  }
  return out += text.substr(at);
}

Index symbol_count(std::string_view text) {
  return static_cast<Index>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::size_t byte_offset(std::string_view text, Index symbol) {
  std::size_t at = 0;
  while (symbol > 0 && at < text.size()) {
    at += static_cast<std::size_t>(symbol_length(text[at]));
    --symbol;
  }
  return at;
}

std::string upper(std::string_view text) { return map_case(text, &ucasemap_utf8ToUpper); }
std::string lower(std::string_view text) { return map_case(text, &ucasemap_utf8ToLower); }

std::string capitalize(std::string_view text) {
  if (text.empty()) return "";
  std::size_t at = 0;
  const char32_t first = next_symbol(text, at);
  return upper_symbol(first) + lower(text.substr(at));
}

std::string title(std::string_view text) {
  std::string out;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t symbol = next_symbol(text, at);
    out += inside ? lower(text.substr(begin, at - begin)) : upper_symbol(symbol);
    inside = has_case(symbol);
  }
  return out;
}

std::string title_words(std::string_view text) {
  const auto is_break = [](char32_t s) {
    return s == '-' || s == '(' || s == '{' || s == '[' || s == '<' || is_space(s);
  };
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t symbol = next_symbol(text, at);
    if (is_break(symbol)) {
      out += text.substr(begin, at - begin);
      continue;
    }
    std::size_t end = at;
    while (end < text.size()) {
      std::size_t next = end;
      if (is_break(next_symbol(text, next))) break;
      end = next;
    }
    out += upper(text.substr(begin, at - begin)) + lower(text.substr(at, end - at));
    at = end;
  }
  return out;
}

bool all_of_class(std::string_view text, SymbolClass wanted) {
  const bool cased = wanted == SymbolClass::upper || wanted == SymbolClass::lower;
  bool any = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t symbol = next_symbol(text, at);
    if (cased && !has_case(symbol)) continue;
    if (!is_of_class(symbol, wanted)) return false;
    any = true;
  }
  return any;
}

}  // namespace pith::jinja
