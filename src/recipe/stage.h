// A stage: parts with their arguments, known to fit together, at a budget. Reading one means names
// and keys are resolved, presets expanded and what was left out completed. Planning is planner.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "recipe/budget.h"
#include "recipe/registry.h"

namespace pith::recipe {

struct Part {
  const PartInfo* info = nullptr;
  Arguments arguments;
};

struct Stage {
  std::optional<Part> scorer;  // absent where the allocator needs none
  std::vector<Part> adjusters;
  Part allocator, realiser, format;
  std::optional<Budget> budget;  // absent where the allocator sizes itself

  std::vector<const Part*> all() const;  // in the order in which they are printed
  bool weighs() const;                   // whether kept entries may be given log-weights
};

// The stages of a recipe; none for "full". Throws bad_recipe or bad_budget with the column.
std::vector<Stage> read_stages(std::string_view text);

std::string to_string(const Stage& stage);  // canonical: read_stages gives the same stage back
std::string to_string(std::span<const Stage> stages);  // likewise, of a whole recipe
SignalNeeds needs_of(const Stage& stage);

}  // namespace pith::recipe
