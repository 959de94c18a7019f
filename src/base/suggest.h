// Finds the known names nearest to one that was mistyped, for error messages. It decides nothing.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pith {

// Levenshtein's distance, whatever the case of letters.
std::size_t edit_distance(std::string_view a, std::string_view b);

// At most `limit` names of `known`, nearest first: those that contain `name` or are contained in
// it, and those within a few edits. Case is ignored. Empty when nothing is near.
std::vector<std::string> nearest_names(std::string_view name, std::span<const std::string> known,
                                       std::size_t limit = 3);

}  // namespace pith
