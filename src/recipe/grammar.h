// The syntax of recipes: text to names, arguments and budgets, each with its column. It knows no
// part and no preset: whether names exist and fit together is decided in stage.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "recipe/budget.h"

namespace pith::recipe {

struct ArgumentText {
  std::string key;  // empty for a bare value
  std::string value;
  Index column = 0;  // of the argument, from 1
};

struct PartText {
  std::string name;
  std::vector<ArgumentText> arguments;
  Index column = 0;
};

struct StageText {
  std::vector<PartText> parts;
  std::optional<Budget> budget;
  Index column = 0;
};

// Longer texts, more stages or more parts in a stage are refused.
inline constexpr Index kMaxRecipeLength = 4096;
inline constexpr Index kMaxStages = 16;
inline constexpr Index kMaxParts = 16;

// Throws bad_recipe (or bad_budget for what follows an `@`) with the column and what was expected.
std::vector<StageText> read_recipe(std::string_view text);

// Whether a budget is written behind some stage. Throws as read_recipe.
bool names_budget(std::string_view text);

// A value as the grammar reads it: in quotes where it has to be.
std::string quoted(std::string_view value);

// Throws `bad_recipe`: `recipe "TEXT", column N: MESSAGE`.
[[noreturn]] void fail_at(std::string_view text, Index column, const std::string& message);

// The candidate nearest to `name`, if it is near enough to be a slip (base/suggest.h).
std::optional<std::string> nearest(std::string_view name,
                                   const std::vector<std::string_view>& candidates);

}  // namespace pith::recipe
