// Lines of the file in which `pith probe --suite --out DIR` keeps what it found, one per examined
// document (or question, where the text ends in it). It examines nothing.
#pragma once

#include <string>
#include <string_view>

#include "probe/facts.h"

namespace pith::cli {

// Without its end. Hidden states are rounded to f16, so that a run which goes on from its file says
// what an undisturbed one says, facts are always taken from a line.
std::string facts_line(const std::string& key, const probe::Facts& facts);

struct KeyedFacts {
  std::string key;
  probe::Facts facts;
};
KeyedFacts parse_facts(std::string_view line);  // throws bad_file for what is none

}  // namespace pith::cli
