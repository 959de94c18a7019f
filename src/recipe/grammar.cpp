#include "recipe/grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/suggest.h"

namespace pith::recipe {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_quote(char c) { return c == '"' || c == '\''; }
// What a path may hold without quotes, beside letters, digits and dots.
bool is_of_path(char c) { return c == '/' || c == '-' || c == '~'; }

// Whether a text is UTF-8 without control characters: what can be shown and kept in any file.
bool is_plain(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t at) {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
    };
    const unsigned first = byte(i);
    if (first < 0x20 || first == 0x7f || (first > 0x7f && first < 0xc2) || first > 0xf4)
      return false;
    const std::size_t more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    const unsigned least = first == 0xe0   ? 0xa0u
                           : first == 0xf0 ? 0x90u
                                           : 0x80u,
                   most = first == 0xed   ? 0x9fu
                          : first == 0xf4 ? 0x8fu
                                          : 0xbfu;
    for (std::size_t k = 1; k <= more; ++k)
      if (byte(i + k) < (k == 1 ? least : 0x80u) || byte(i + k) > (k == 1 ? most : 0xbfu))
        return false;
    i += 1 + more;
  }
  return true;
}

// The text as an error message shows it: one line, printable, not too long.
std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  std::string out;
  for (char c : text.substr(0, kLongest)) out += (c >= ' ' && c <= '~') ? c : '?';
  return text.size() > kLongest ? out + "..." : out;
}

std::string shown_char(char c) { return fmt::format("\"{}\"", shown(std::string_view(&c, 1))); }

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::vector<StageText> read() {
    std::vector<StageText> stages;
    do {
      if (std::ssize(stages) == kMaxStages)
        fail(fmt::format("a recipe has at most {} stages", kMaxStages));
      stages.push_back(read_stage());
    } while (take_word("then"));
    skip_space();
    if (at_ < text_.size())
      fail(
          fmt::format("{} was not expected here; after a part come \"+\", \"@ budget\" or \"then\"",
                      shown_char(text_[at_])));
    return stages;
  }

 private:
  StageText read_stage() {
    skip_space();
    StageText stage;
    stage.column = column();
    do {
      if (std::ssize(stage.parts) == kMaxParts)
        fail(fmt::format("a stage has at most {} parts", kMaxParts));
      stage.parts.push_back(read_part());
    } while (take('+'));
    if (take('@')) stage.budget = read_budget();
    return stage;
  }

  PartText read_part() {
    skip_space();
    PartText part;
    part.column = column();
    part.name = read_name("the name of a part or preset");
    if (!take('(')) return part;
    if (take(')')) return part;
    do {
      part.arguments.push_back(read_argument());
    } while (take(','));
    if (!take(')')) fail("\")\" or \",\" was expected here");
    return part;
  }

  ArgumentText read_argument() {
    skip_space();
    ArgumentText argument;
    argument.column = column();
    argument.value = read_value();
    if (take('=')) {
      argument.key = std::move(argument.value);
      if (!is_letter(argument.key[0]))
        fail_at(text_, argument.column, "a parameter's name was expected before \"=\"");
      skip_space();
      argument.value =
          at_ < text_.size() && is_quote(text_[at_]) ? read_quoted() : read_value(true);
    }
    return argument;
  }

  Budget read_budget() {
    skip_space();
    const Index start = column();
    std::string value = read_value();
    if (value == "auto" && take('(')) {
      const ArgumentText risk = read_argument();
      if (!take(')')) fail("\")\" was expected here");
      value = fmt::format("auto({}={})", risk.key.empty() ? "risk" : risk.key, risk.value);
    }
    const auto budget = parse_budget(value);
    if (!budget)
      pith::fail(
          ErrorCode::bad_budget,
          fmt::format("recipe \"{}\", column {}: \"{}\" is no budget; expected a fraction to "
                      "remove below 1 (0.9), a ratio in bytes (10x), entries per lane "
                      "(1024tok), bytes (64MiB), or auto(risk=0.1) with a risk from 0.001 to 0.5",
                      shown(text_), start, shown(budget_text(start - 1))));
    return *budget;
  }

  // All that stands where a budget should, up to the next part or stage.
  std::string_view budget_text(Index begin) const {
    std::string_view rest = text_.substr(static_cast<std::size_t>(begin));
    for (const std::string_view end : {" then ", " + "}) rest = rest.substr(0, rest.find(end));
    while (!rest.empty() && is_space(rest.back())) rest.remove_suffix(1);
    return rest;
  }

  std::string read_name(const char* what) {
    const std::size_t start = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || (at_ > start && is_digit(text_[at_]))))
      ++at_;
    if (at_ == start) fail(fmt::format("{} was expected here", what));
    return std::string(text_.substr(start, at_ - start));
  }

  // What stands between two quotes of one kind; twice the quote stands for one.
  std::string read_quoted() {
    const std::size_t start = at_;
    const char quote = text_[at_++];
    std::string out;
    for (;; ++at_) {
      if (at_ == text_.size()) {
        at_ = start;
        fail(fmt::format("the text that begins here is not closed by {}", quote));
      }
      if (text_[at_] == quote && (++at_ == text_.size() || text_[at_] != quote)) break;
      out += text_[at_];
    }
    if (!is_plain(out)) {
      at_ = start;
      fail("a text in quotes must be UTF-8 without control characters");
    }
    return out;
  }

  // A word, or a number with its unit; a sign belongs to it at the start and after an exponent. The
  // value of a key may also be a path.
  std::string read_value(bool path = false) {
    const std::size_t start = at_;
    const bool number = at_ < text_.size() && !is_letter(text_[at_]);
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool sign = c == '-' || c == '+';
      const bool exponent = at_ > start && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E');
      if (!(is_letter(c) || is_digit(c) || c == '.' || (path && is_of_path(c)) ||
            (sign && number && (at_ == start || exponent))))
        break;
      ++at_;
    }
    if (at_ == start) fail("a value was expected here");
    return std::string(text_.substr(start, at_ - start));
  }

  bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool take_word(std::string_view word) {
    skip_space();
    if (text_.substr(at_, word.size()) != word) return false;
    const std::size_t end = at_ + word.size();
    if (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) return false;
    at_ = end;
    return true;
  }

  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  Index column() const { return static_cast<Index>(at_) + 1; }
  [[noreturn]] void fail(const std::string& message) const { fail_at(text_, column(), message); }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<StageText> read_recipe(std::string_view text) {
  if (std::ssize(text) > kMaxRecipeLength)
    fail_at(text, kMaxRecipeLength + 1,
            fmt::format("a recipe has at most {} characters, this one has {}", kMaxRecipeLength,
                        text.size()));
  return Reader(text).read();
}

bool names_budget(std::string_view text) {
  const auto stages = read_recipe(text);
  return std::any_of(stages.begin(), stages.end(),
                     [](const StageText& stage) { return stage.budget.has_value(); });
}

std::string quoted(std::string_view value) {
  const auto bare = [](char c) { return is_letter(c) || is_digit(c) || c == '.' || is_of_path(c); };
  if (!value.empty() && std::all_of(value.begin(), value.end(), bare)) return std::string(value);
  std::string out = "\"";
  for (const char c : value) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

void fail_at(std::string_view text, Index column, const std::string& message) {
  fail(ErrorCode::bad_recipe,
       fmt::format("recipe \"{}\", column {}: {}", shown(text), column, message));
}

std::optional<std::string> nearest(std::string_view name,
                                   const std::vector<std::string_view>& candidates) {
  const std::vector<std::string> known(candidates.begin(), candidates.end());
  const std::vector<std::string> near = nearest_names(name, known, 1);
  return near.empty() ? std::nullopt : std::optional(near.front());
}

}  // namespace pith::recipe
