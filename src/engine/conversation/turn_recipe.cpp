#include "engine/conversation/turn_recipe.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "recipe/budget.h"
#include "recipe/signal_kinds.h"
#include "recipe/stage.h"

namespace pith {
namespace {

using cache::Columns;
using cache::Format;

bool is_of_documents(const recipe::SignalKind& kind) { return kind.over == recipe::Over::document; }

Columns columns_of(const recipe::Stage& stage) {
  if (stage.realiser.info->adds != nullptr) return Columns::annotated;
  return stage.weighs() ? Columns::weighted : Columns::plain;
}

// What a lane takes at least: a tile for each kind of entry that the stage may leave.
Index least_of_lane(const recipe::Stage& stage, const cache::Shape& shape) {
  const recipe::Part& format = stage.format;
  recipe::LaneContent content;
  const auto add = [&](Format kind) {
    content.of(kind, columns_of(stage)) = 1;
    content.of(kind, Columns::plain) = 1;
  };
  add(format.info->format);
  if (format.arguments.has("cold") && format.arguments.real("cold") > 0) add(Format::int2);
  for (const char* kept : {"sinks", "recent", "first_layers", "last_layers"})
    if (format.arguments.integer(kept) > 0) add(Format::bf16);
  return recipe::lane_bytes(shape, content);
}

Index bytes_of_packed(const recipe::Stage& stage, const cache::Shape& shape, Index tokens,
                      double ratio) {
  Index exact = 0, least = 0, windows = 0;
  for (Index lane = 0; lane < shape.lanes(); ++lane) {
    if (const Index window = shape.window(lane / shape.kv_heads); window > 0) {
      recipe::LaneContent content;
      content.of(Format::bf16, Columns::plain) = std::min(tokens, window);
      windows += recipe::lane_bytes(shape, content);
      continue;
    }
    exact += tokens * 4 * shape.head_dim;  // keys and values
    least += least_of_lane(stage, shape);
  }
  const auto part = static_cast<Index>(static_cast<double>(exact) / ratio);
  return windows + std::max(part, std::min(least, exact));
}

// Of the entries that earlier stages leave in a lane, `left` at most, it returns how many this one
// will, at most.
Index set_budget_of_turn(recipe::Stage& stage, const cache::Shape& shape, Index tokens,
                         Index left) {
  auto& [unit, value] = *stage.budget;
  if (unit == recipe::BudgetUnit::ratio) {
    const Format format = stage.format.info->format;
    if (cache::traits(format).packed) {
      value = static_cast<double>(bytes_of_packed(stage, shape, tokens, value));
      unit = recipe::BudgetUnit::bytes;
    } else {
      const Index entry = recipe::entry_bytes(shape, format, columns_of(stage));
      value = static_cast<double>(tokens * 4 * shape.head_dim) / value / static_cast<double>(entry);
      unit = recipe::BudgetUnit::tokens;
    }
  } else if (unit == recipe::BudgetUnit::fraction) {
    const Index kept = recipe::kept_of(left, value);
    if (kept >= kFewestOfTurn) return kept;
    value = 0;  // as few as there may be
    unit = recipe::BudgetUnit::tokens;
  }
  if (unit == recipe::BudgetUnit::tokens) {
    value = std::max(value, static_cast<double>(kFewestOfTurn));
    left = std::min(left, static_cast<Index>(value));
  }
  return left;
}

}  // namespace

void check_turn_recipe(const recipe::Recipe& recipe) {
  if (recipe.risk())
    fail(ErrorCode::bad_recipe,
         fmt::format("{}: the guard behind \"@ auto\" judges whole documents, not turn by turn; "
                     "give a fixed budget such as \"@ 4x\"",
                     recipe.name()));
  if (recipe.fits_in_blocks())
    fail(ErrorCode::bad_recipe,
         fmt::format("{}: on_policy reads a whole document again and again, not turn by turn; "
                     "leave it out",
                     recipe.name()));
  if (recipe.sees_question())
    fail(ErrorCode::bad_recipe,
         fmt::format("{}: it looks at the question, but a conversation is compressed between "
                     "turns, when none is known; take a recipe that does not (pith recipes)",
                     recipe.name()));
  if (recipe::asks_any(recipe.needs(), is_of_documents))
    fail(ErrorCode::bad_recipe,
         fmt::format("{}: what it needs to know can only be collected over a whole document, not "
                     "turn by turn; take another recipe (pith recipes)",
                     recipe.name()));
  for (const recipe::Stage& stage : recipe::read_stages(recipe.to_string()))
    for (const recipe::Part* part : stage.all())
      if (part->info->requires_fraction && part->info->requires_fraction(part->arguments))
        fail(ErrorCode::bad_recipe,
             fmt::format("{}: {}{} rounds as kvpress does for whole documents, not turn by turn; "
                         "leave out quirk=kvpress",
                         recipe.name(), part->info->name, part->arguments.to_string()));
}

recipe::Recipe of_turn(const recipe::Recipe& recipe, const cache::Shape& shape, Index tokens) {
  if (recipe.is_full()) return recipe;
  std::vector<recipe::Stage> stages = recipe::read_stages(recipe.to_string());
  Index left = tokens;
  for (recipe::Stage& stage : stages) {
    for (const char* kept : {"sinks", "recent"})
      if (stage.format.arguments.has(kept) && !stage.format.arguments.given(kept))
        stage.format.arguments.set(kept, "0");
    if (stage.budget) left = set_budget_of_turn(stage, shape, tokens, left);
  }
  return recipe::Recipe::parse(recipe::to_string(stages));
}

}  // namespace pith
