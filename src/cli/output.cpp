#include "cli/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace pith::cli {
namespace {

[[noreturn]] void fail_output() {
  if (errno == EPIPE) throw OutputClosed{};
  fail(ErrorCode::io, fmt::format("cannot write to standard output: {}", std::strerror(errno)));
}

constexpr Index kNarrowest = 16;  // a text column is wrapped to no less

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

void pad(std::string& line, std::string_view cell, Index to, Table::Align align) {
  const auto blanks = static_cast<std::size_t>(std::max<Index>(0, to - width(cell)));
  if (align == Table::Align::right) line.append(blanks, ' ');
  line += cell;
  if (align == Table::Align::left) line.append(blanks, ' ');
}

// A cell as lines of at most `most` symbols, as far as its blanks allow.
std::vector<std::string> wrapped(const std::string& cell, Index most) {
  std::vector<std::string> lines = {""};
  for (std::size_t begin = 0; begin < cell.size();) {
    const std::size_t end = std::min(cell.find(' ', begin), cell.size());
    const std::string word = cell.substr(begin, end - begin);
    if (!lines.back().empty() && width(lines.back()) + 1 + width(word) > most)
      lines.emplace_back();
    else if (begin > 0)
      lines.back() += ' ';
    lines.back() += word;
    begin = end + 1;
  }
  return lines;
}

}  // namespace

void put(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail_output();
}

void flush() {
  if (std::fflush(stdout) != 0) fail_output();
}

void put_json(const Json& json) {
  put(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  flush();
}

void note(std::string_view text) { fmt::print(stderr, "{}\n", text); }

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool blank = byte < 0x20 || byte == 0x7f;
    if (!blank) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  return line;
}

std::string shorten(std::string_view text, Index limit) {
  std::string line = one_line(text);
  if (width(line) <= limit) return line;
  std::size_t end = 0;
  for (Index symbols = 0; end < line.size(); ++end) {
    if (!is_continuation(line[end]) && ++symbols == limit) break;
  }
  return fmt::format("{}…", line.substr(0, end));
}

Index width(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); });
}

std::string human_bytes(Index bytes) {
  constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  return fmt::format("{:.{}f} {}", value, value < 100 ? 1 : 0, units[unit]);
}

std::string human_count(Index count) {
  if (count < 0) return fmt::format("-{}", human_count(-count));
  if (count < 1000) return std::to_string(count);
  return fmt::format("{},{:03}", human_count(count / 1000), count % 1000);
}

std::string human_seconds(double seconds) {
  return fmt::format("{:.{}f}", seconds, seconds < 9.995 ? 2 : 1);
}

std::string counted(Index count, std::string_view noun) {
  return fmt::format("{} {}{}", human_count(count), noun, count == 1 ? "" : "s");
}

Index terminal_columns() {
  winsize size{};
  return ::isatty(STDOUT_FILENO) == 1 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0
             ? Index{size.ws_col}
             : 0;
}

void Table::add_column(std::string title, Align align) {
  PITH_CHECK(rows_.empty(), title);
  titles_.push_back(std::move(title));
  aligns_.push_back(align);
}

void Table::add_row(std::vector<std::string> cells) {
  PITH_CHECK(cells.size() == titles_.size(), std::to_string(cells.size()));
  rows_.push_back(std::move(cells));
}

std::vector<Index> Table::column_widths(Index columns) const {
  std::vector<Index> widths;
  for (const auto& title : titles_) widths.push_back(width(title));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  if (columns == 0) return widths;
  const auto text_width = [&](std::size_t i) {
    return aligns_[i] == Align::left ? widths[i] : Index{0};
  };
  Index total = 2 * (std::ssize(widths) - 1);
  for (const Index each : widths) total += each;
  for (; total > columns; --total) {
    std::size_t widest = 0;
    for (std::size_t i = 1; i < widths.size(); ++i)
      if (text_width(i) > text_width(widest)) widest = i;
    if (text_width(widest) <= kNarrowest) break;
    --widths[widest];
  }
  return widths;
}

std::string Table::to_string(Index columns) const {
  const std::vector<Index> widths = column_widths(columns);
  std::string text;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) line += "  ";
      pad(line, cells[i], widths[i], aligns_[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line;
    text += '\n';
  };
  const auto add_row = [&](const std::vector<std::string>& cells) {
    std::vector<std::vector<std::string>> lines;  // [lines][columns]
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const auto parts = columns == 0 || width(cells[i]) <= widths[i]
                             ? std::vector{cells[i]}
                             : wrapped(cells[i], widths[i]);
      while (lines.size() < parts.size()) lines.emplace_back(cells.size());
      for (std::size_t l = 0; l < parts.size(); ++l) lines[l][i] = parts[l];
    }
    for (const auto& line : lines) add_line(line);
  };
  add_line(titles_);
  for (const auto& row : rows_) add_row(row);
  return text;
}

std::string Table::to_markdown() const {
  std::string text;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    text += '|';
    for (const std::string& cell : cells) {
      text += ' ';
      for (const char c : cell) {
        if (c == '|') text += '\\';
        text += c;
      }
      text += " |";
    }
    text += '\n';
  };
  add_line(titles_);
  text += "|";
  for (const Align align : aligns_) text += align == Align::left ? " --- |" : " ---: |";
  text += "\n";
  for (const auto& row : rows_) add_line(row);
  return text;
}

}  // namespace pith::cli
