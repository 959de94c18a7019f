// Presets: recipe strings with a name, most of them kvpress' names. A preset has no code of its
// own.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pith::recipe {

// A key of the preset that means a parameter of one of its parts under another name. All other keys
// go to every part of the preset that has a parameter of that name.
struct PresetKey {
  std::string_view key, part, parameter;
  std::vector<std::pair<std::string_view, std::string_view>> values;  // renamed ones, if any
};

struct Preset {
  std::string_view name;
  std::string_view text;  // one stage
  std::string_view summary;
  std::vector<PresetKey> keys;
};

// What is meant where no recipe is given: this, at a budget.
inline constexpr std::string_view kDefaultRecipe = "kvzip_plus + global + int4";

const std::vector<Preset>& presets();
const Preset* find_preset(std::string_view name);

// What the preset needs beside its name, since it does not say how much stays: "a budget", "a
// budget or at=...", or nothing.
std::string needs_beside(const Preset& preset);
std::string full_summary(const Preset& preset);  // "summary (needs a budget)"

}  // namespace pith::recipe
