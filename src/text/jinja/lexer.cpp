#include "text/jinja/lexer.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "text/jinja/strings.h"
#include "text/utf8.h"

namespace pith::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_name_part(char c) { return is_name_start(c) || is_digit(c); }

constexpr std::size_t kMaxName = 200;

// Longest first.
constexpr std::array<std::string_view, 26> kOperators = {
    "//", "**", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "|",
    "(",  ")",  "[",  "]",  "{",  "}",  "<", ">", "=", ".", ",", ":", ";"};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Lexeme> run() {
    while (at_ < source_.size()) read_text();
    out_.push_back({TokenKind::end, "", source_.size()});
    return std::move(out_);
  }

 private:
  bool looking_at(std::string_view text) const { return source_.substr(at_).starts_with(text); }

  void skip_space() { at_ += leading_space(source_.substr(at_)); }

  // The text up to the next tag, cut by what the tag asks for, and the tag.
  void read_text() {
    const std::size_t begin = at_;
    std::size_t tag = begin;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string_view::npos || tag + 1 >= source_.size()) {
        emit_text(begin, source_.size());
        at_ = source_.size();
        return;
      }
      const char next = source_[tag + 1];
      if (next == '%' || next == '{' || next == '#') break;
    }
    const char opening = source_[tag + 1];
    at_ = tag + 2;
    char sign = 0;
    if (at_ < source_.size() && (source_[at_] == '-' || source_[at_] == '+')) sign = source_[at_++];
    emit_text(begin, cut_before_tag(begin, tag, sign, opening == '{'));
    if (opening == '#') {
      skip_comment(tag);
    } else if (opening == '{') {
      out_.push_back({TokenKind::variable_begin, "{{", tag});
      read_tag("}}", TokenKind::variable_end, tag);
    } else if (!read_raw(tag)) {
      out_.push_back({TokenKind::block_begin, "{%", tag});
      read_tag("%}", TokenKind::block_end, tag);
    }
  }

  void emit_text(std::size_t begin, std::size_t end) {
    if (end > begin)
      out_.push_back({TokenKind::text, std::string(source_.substr(begin, end - begin)), begin});
  }

  // Where the text in front of a tag ends: "-" takes all space away, and a block that stands first
  // on its line the indentation.
  std::size_t cut_before_tag(std::size_t begin, std::size_t tag, char sign, bool variable) const {
    const std::string_view text = source_.substr(begin, tag - begin);
    if (sign == '-') return tag - trailing_space(text);
    if (sign == '+' || variable) return tag;
    const std::size_t newline = text.rfind('\n');
    const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if (line == 0 && !line_starting_) return tag;
    return leading_space(text.substr(line)) == text.size() - line ? begin + line : tag;
  }

  // Consumes a closing mark such as "%}", "-%}" or "+%}" at the current place, with the space that
  // it takes away.
  bool read_end(std::string_view mark, bool trims_newline) {
    char sign = 0;
    std::size_t length = mark.size();
    if (!looking_at(mark)) {
      if (at_ >= source_.size() || (source_[at_] != '-' && source_[at_] != '+')) return false;
      if (!source_.substr(at_ + 1).starts_with(mark)) return false;
      sign = source_[at_];
      if (sign == '+' && !trims_newline) return false;  // "+}}" is no mark
      ++length;
    }
    at_ += length;
    if (sign == '-') {
      skip_space();
    } else if (sign == 0 && trims_newline && looking_at("\n")) {
      ++at_;
    }
    line_starting_ = source_[at_ - 1] == '\n';
    return true;
  }

  void skip_comment(std::size_t tag) {
    for (; at_ < source_.size(); ++at_) {
      if (read_end("#}", true)) return;
      at_ = source_.find_first_of("#-+", at_);
      if (at_ == std::string_view::npos) break;
      if (read_end("#}", true)) return;
    }
    throw SyntaxError("this comment has no end; #} was expected", tag);
  }

  // {% raw %} ... {% endraw %}; false, with nothing consumed, for any other block.
  bool read_raw(std::size_t tag) {
    const std::size_t start = at_;
    skip_space();
    if (!read_word("raw")) {
      at_ = start;
      return false;
    }
    skip_space();
    if (!looking_at("%}") && !looking_at("-%}")) {
      at_ = start;
      return false;
    }
    const bool trims = looking_at("-");
    at_ += trims ? 3 : 2;
    if (trims) skip_space();
    line_starting_ = source_[at_ - 1] == '\n';
    const std::size_t begin = at_;
    for (std::size_t close = source_.find("{%", begin); close != std::string_view::npos;
         close = source_.find("{%", close + 2)) {
      at_ = close + 2;
      char sign = 0;
      if (at_ < source_.size() && (source_[at_] == '-' || source_[at_] == '+'))
        sign = source_[at_++];
      skip_space();
      if (!read_word("endraw")) continue;
      skip_space();
      const std::size_t end = cut_before_tag(begin, close, sign, false);
      if (!read_end("%}", true)) continue;
      emit_text(begin, end);
      return true;
    }
    throw SyntaxError("this raw block has no end; {% endraw %} was expected", tag);
  }

  bool read_word(std::string_view word) {
    if (!looking_at(word)) return false;
    if (at_ + word.size() < source_.size() && is_name_part(source_[at_ + word.size()]))
      return false;
    at_ += word.size();
    return true;
  }

  void read_tag(std::string_view mark, TokenKind end_kind, std::size_t tag) {
    std::string open;  // brackets; inside them "}}" closes two dictionaries, not the tag
    for (;;) {
      skip_space();
      if (at_ >= source_.size())
        throw SyntaxError(fmt::format("this tag has no end; {} was expected", mark), tag);
      const std::size_t begin = at_;
      if (open.empty() && read_end(mark, mark == "%}")) {
        out_.push_back({end_kind, std::string(mark), begin});
        return;
      }
      const char c = source_[at_];
      if (is_digit(c)) {
        read_number();
      } else if (is_name_start(c)) {
        while (at_ < source_.size() && is_name_part(source_[at_])) ++at_;
        if (at_ - begin > kMaxName)
          throw SyntaxError(fmt::format("a name is longer than {} bytes", kMaxName), begin);
        out_.push_back({TokenKind::name, std::string(source_.substr(begin, at_ - begin)), begin});
      } else if (c == '\'' || c == '"') {
        read_string(c);
      } else {
        read_operator(open);
      }
    }
  }

  void read_operator(std::string& open) {
    for (const std::string_view op : kOperators) {
      if (!looking_at(op)) continue;
      const char c = op[0];
      if (op.size() == 1 && (c == '(' || c == '[' || c == '{'))
        open += c == '(' ? ')' : c == '[' ? ']' : '}';
      if (op.size() == 1 && (c == ')' || c == ']' || c == '}')) {
        if (open.empty()) throw SyntaxError(fmt::format("unexpected '{}'", c), at_);
        if (open.back() != c)
          throw SyntaxError(fmt::format("unexpected '{}'; '{}' was expected", c, open.back()), at_);
        open.pop_back();
      }
      out_.push_back({TokenKind::op, std::string(op), at_});
      at_ += op.size();
      return;
    }
    throw SyntaxError(fmt::format("unexpected character '{}'", source_[at_]), at_);
  }

  std::string read_digits(bool (*accept)(char)) {
    std::string digits;
    while (at_ < source_.size() &&
           (accept(source_[at_]) || (source_[at_] == '_' && !digits.empty() &&
                                     at_ + 1 < source_.size() && accept(source_[at_ + 1])))) {
      if (source_[at_] != '_') digits += source_[at_];
      ++at_;
    }
    return digits;
  }

  void read_number() {
    const std::size_t begin = at_;
    if (source_[at_] == '0' && at_ + 1 < source_.size()) {
      const char base = static_cast<char>(source_[at_ + 1] | 0x20);
      if (base == 'x' || base == 'o' || base == 'b') {
        at_ += 2;
        const std::string digits = read_digits(
            [](char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); });
        push_integer(digits, base == 'x' ? 16 : base == 'o' ? 8 : 2, begin);
        return;
      }
    }
    std::string digits = read_digits(is_digit);
    bool floating = false;
    if (at_ + 1 < source_.size() && source_[at_] == '.' && is_digit(source_[at_ + 1])) {
      floating = true;
      ++at_;
      digits += '.' + read_digits(is_digit);
    }
    if (at_ < source_.size() && (source_[at_] | 0x20) == 'e') {
      std::size_t exponent = at_ + 1;
      const bool sign =
          exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-');
      if (sign) ++exponent;
      if (exponent < source_.size() && is_digit(source_[exponent])) {
        floating = true;
        digits += 'e';
        if (sign) digits += source_[exponent - 1];
        at_ = exponent;
        digits += read_digits(is_digit);
      }
    }
    if (floating) {
      out_.push_back({TokenKind::number, digits, begin});
    } else {
      push_integer(digits, 10, begin);
    }
  }

  void push_integer(const std::string& digits, int base, std::size_t begin) {
    std::int64_t value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      throw SyntaxError("this integer is malformed or does not fit 64 bits", begin);
    }
    out_.push_back({TokenKind::integer, fmt::format("{}", value), begin});
  }

  void read_string(char quote) {
    const std::size_t begin = at_++;
    std::string value;
    while (at_ < source_.size() && source_[at_] != quote) {
      if (source_[at_] != '\\') {
        value += source_[at_++];
      } else {
        read_escape(value);
      }
    }
    if (at_ >= source_.size()) throw SyntaxError("this string has no end", begin);
    ++at_;
    out_.push_back({TokenKind::string, std::move(value), begin});
  }

  // Python's escapes; an unknown one stands for itself, backslash included.
  void read_escape(std::string& value) {
    const std::size_t begin = at_;
    if (++at_ >= source_.size()) return;
    const char c = source_[at_++];
    constexpr std::string_view kNames = "ntr\\'\"abfv", kBytes = "\n\t\r\\'\"\a\b\f\v";
    const std::size_t known = kNames.find(c);
    if (known != std::string_view::npos) {
      value += kBytes[known];
    } else if (c == 'x' || c == 'u' || c == 'U') {
      append_code(value, read_code(c == 'x' ? 2 : c == 'u' ? 4 : 8, begin), begin);
    } else if (c >= '0' && c <= '7') {
      char32_t code = static_cast<char32_t>(c - '0');
      for (int k = 0; k < 2 && at_ < source_.size() && source_[at_] >= '0' && source_[at_] <= '7';
           ++k) {
        code = code * 8 + static_cast<char32_t>(source_[at_++] - '0');
      }
      append_code(value, code, begin);
    } else if (c == 'N') {
      throw SyntaxError("\\N{...} escapes are not supported", begin);
    } else if (c != '\n') {
      value += '\\';
      value += c;
    }
  }

  char32_t read_code(std::size_t digits, std::size_t begin) {
    std::uint32_t code = 0;
    const std::string_view text = source_.substr(at_, digits);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code, 16);
    if (text.size() != digits || error != std::errc() || end != text.data() + digits) {
      throw SyntaxError(fmt::format("an escape with {} hexadecimal digits was expected", digits),
                        begin);
    }
    at_ += digits;
    return code;
  }

  static void append_code(std::string& value, char32_t code, std::size_t begin) {
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      throw SyntaxError("this escape names no Unicode symbol", begin);
    }
    append_symbol(value, code);
  }

  std::string_view source_;
  std::size_t at_ = 0;
  bool line_starting_ = true;
  std::vector<Lexeme> out_;
};

}  // namespace

std::string normalise_source(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else if (i + 1 == source.size() || source[i + 1] != '\n') {
      out += '\n';
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

std::vector<Lexeme> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace pith::jinja
