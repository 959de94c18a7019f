// A sentence made from a form with named slots, which remembers the bytes where each value stands.
// It is not a grammar: forms are filled, never varied (prose.h varies).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eval/suite.h"

namespace pith::eval {

struct Slot {
  std::string name;
  TextSpan span;
};

struct Sentence {
  std::string text;
  std::vector<Slot> slots;
};

using Values = std::vector<std::pair<std::string_view, std::string>>;

// "The code for {site} is {code}." with its values; `{` always opens a slot.
Sentence fill(std::string_view form, const Values& values);

}  // namespace pith::eval
