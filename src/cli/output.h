// What commands print: standard output that notices a closed pipe or a full disk, tables, and
// numbers for people. It is not a progress display and not a log.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.h"

namespace pith::cli {

using Json = nlohmann::ordered_json;

// Thrown when whoever read our standard output has gone (`pith ... | head`). The command ends
// quietly.
struct OutputClosed {};

// Standard output. Throws OutputClosed for a closed pipe and Error(io) when the text cannot be
// written.
void put(std::string_view text);
void flush();
template <typename... T>
void print(fmt::format_string<T...> format, T&&... arguments) {
  put(fmt::format(format, std::forward<T>(arguments)...));
}

// One JSON document on one line. Bytes that are no UTF-8 become U+FFFD.
void put_json(const Json& json);

// A remark on standard error, for a reader who did not ask for JSON only.
void note(std::string_view text);

// Shows text from a file or a model on one line: control characters become spaces.
std::string one_line(std::string_view text);
// The same, cut to `width` symbols with an ellipsis.
std::string shorten(std::string_view text, Index width);
// Symbols (code points) of a UTF-8 text: what a terminal column counts for the scripts that tables
// hold.
Index width(std::string_view text);

std::string human_bytes(Index bytes);  // "12.3 MiB"
std::string human_count(Index count);  // "3,041"
std::string human_seconds(double seconds);
// "1 thread", "4 threads": of nouns that take an s.
std::string counted(Index count, std::string_view noun);

// Columns of the terminal that standard output is; 0 where it is none.
Index terminal_columns();

// Lines up columns. Cells are plain text; numbers are aligned to the right.
class Table {
 public:
  enum class Align { left, right };
  void add_column(std::string title, Align align = Align::right);
  void add_row(std::vector<std::string> cells);  // one per column
  // Ends in a newline. Where rows are wider than `columns`, text columns are wrapped at blanks, the
  // widest first; 0: nothing is.
  std::string to_string(Index columns = 0) const;
  std::string to_markdown() const;

 private:
  std::vector<Index> column_widths(Index columns) const;
  std::vector<std::string> titles_;
  std::vector<Align> aligns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace pith::cli
