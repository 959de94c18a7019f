// The rules of the filler prose. It knows no randomness: prose.cpp chooses among the alternatives.
#pragma once

#include <span>
#include <string_view>

namespace pith::eval {

struct Rule {
  std::string_view name;
  std::span<const std::string_view> alternatives;  // with {slots}, each the name of a rule
};
std::span<const Rule> prose_grammar();  // the first rule is the sentence

}  // namespace pith::eval
