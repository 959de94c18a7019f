#include "engine/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "base/error.h"
#include "recipe/budget.h"

namespace pith {
namespace {

struct Kind {
  When when;
  std::string_view name, example;
};
constexpr std::array<Kind, 6> kKinds = {{{When::prefill, "prefill", "prefill"},
                                         {When::chunk, "chunk", "chunk:512"},
                                         {When::turn, "turn", "turn"},
                                         {When::again, "again", "again"},
                                         {When::every, "every", "every:128"},
                                         {When::over, "over", "over:64MiB"}}};
constexpr Index kMostTokens = Index{1} << 24;

std::optional<Index> parse_tokens(std::string_view text) {
  Index tokens = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), tokens);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && tokens >= 1 && tokens <= kMostTokens ? std::optional(tokens) : std::nullopt;
}

std::optional<Index> parse_size(std::string_view text) {
  const auto budget = recipe::parse_budget(text);
  if (!budget || budget->unit != recipe::BudgetUnit::bytes) return std::nullopt;
  return static_cast<Index>(budget->value);
}

std::optional<Schedule> parse(std::string_view text) {
  const auto colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const bool bare = colon == std::string_view::npos;
  const std::string_view value = bare ? std::string_view() : text.substr(colon + 1);
  for (const Kind& kind : kKinds) {
    if (kind.name != name) continue;
    if (kind.when == When::prefill || kind.when == When::turn || kind.when == When::again)
      return bare ? std::optional(Schedule{kind.when, 0}) : std::nullopt;
    const auto number = kind.when == When::over ? parse_size(value) : parse_tokens(value);
    return number ? std::optional(Schedule{kind.when, *number}) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

Schedule parse_schedule(std::string_view text, const std::vector<When>& allowed) {
  std::vector<std::string_view> examples;
  for (const Kind& kind : kKinds)
    if (std::find(allowed.begin(), allowed.end(), kind.when) != allowed.end())
      examples.push_back(kind.example);
  const auto schedule = parse(text);
  if (!schedule)
    fail(ErrorCode::bad_input, fmt::format("--when: \"{}\" is no schedule; expected {}", text,
                                           fmt::join(examples, ", ")));
  if (std::find(allowed.begin(), allowed.end(), schedule->when) == allowed.end())
    fail(ErrorCode::bad_input, fmt::format("--when: {} makes no sense in this command; expected {}",
                                           text, fmt::join(examples, ", ")));
  return *schedule;
}

std::string to_string(const Schedule& schedule) {
  switch (schedule.when) {
    case When::prefill:
      return "prefill";
    case When::turn:
      return "turn";
    case When::again:
      return "again";
    case When::chunk:
      return fmt::format("chunk:{}", schedule.value);
    case When::every:
      return fmt::format("every:{}", schedule.value);
    case When::over:
      break;
  }
  return "over:" + recipe::to_string(recipe::Budget{recipe::BudgetUnit::bytes,
                                                    static_cast<double>(schedule.value)});
}

}  // namespace pith
