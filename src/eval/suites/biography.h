// Biographies of thirteen facts in sentences of several forms, and questions about them.
// It is not the filler prose: every sentence here states something that may be asked for.
#pragma once

#include <array>

#include "eval/suites/family.h"

namespace pith::eval {

enum class Trait {
  birth_date,
  birth_city,
  university,
  major,
  employer,
  work_city,
  spouse,
  pet,
  instrument,
  award,
  award_year,
  hobby,
  team
};
constexpr Index kTraits = 13;

struct Biography {
  Person person;
  std::array<std::string, kTraits> values;
  std::vector<Sentence> sentences;  // slot "value" holds the trait's, slot "name" the person's
  std::array<Index, kTraits> sentence_of;
  Index birth_year = 0;

  const std::string& value(Trait trait) const { return values[static_cast<std::size_t>(trait)]; }
  Index sentence(Trait trait) const { return sentence_of[static_cast<std::size_t>(trait)]; }
};

// n people of different names; spouses, pets' names and prizes by year belong to one person only.
// Where `marry` is set, each is married to the next of the list (and the last to the first),
// otherwise to somebody who does not occur.
std::vector<Biography> make_biographies(Rng& rng, Index n, bool marry = false);

// What each trait's value is: Person, Location, ... (S1's answer types).
std::string_view answer_type(Trait trait);
std::string forward_question(const Biography& of, Trait trait);

}  // namespace pith::eval
