// Python's string operations on UTF-8, where a position is a symbol and not a byte. All text is
// valid UTF-8.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace pith::jinja {

bool is_space(char32_t symbol);  // str.isspace()
// Bytes of space at the beginning and at the end.
std::size_t leading_space(std::string_view text);
std::size_t trailing_space(std::string_view text);

enum class Side { left, right, both };
std::string_view strip(std::string_view text, Side side = Side::both);
std::string_view strip(std::string_view text, std::string_view symbols,
                       Side side);  // any of `symbols`

// At most `limit` cuts (negative: no limit), from the given side. The first form cuts at runs of
// space and drops empty parts.
std::vector<std::string_view> split(std::string_view text, Index limit, Side from);
std::vector<std::string_view> split(std::string_view text, std::string_view separator, Index limit,
                                    Side from);
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);
std::string replace(std::string_view text, std::string_view from, std::string_view to, Index limit);

Index symbol_count(std::string_view text);
// The byte offset of a symbol's beginning; symbols behind the end give text.size().
std::size_t byte_offset(std::string_view text, Index symbol);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);
std::string title(std::string_view text);  // str.title(): after anything that has no case
std::string title_words(
    std::string_view text);  // the filter: after space, a hyphen or an opening bracket

enum class SymbolClass { alpha, digit, alnum, space, upper, lower };
bool all_of_class(std::string_view text, SymbolClass wanted);  // str.isalpha() and its relatives

}  // namespace pith::jinja
