// The string measures behind judge.h: words, F1, longest common subsequences, codes, abstention.
// It knows no items and no failure classes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace pith::eval {

std::string lower(std::string_view text);                                   // ASCII only
bool contains(std::string_view text, std::string_view part);                // as it is
bool contains_ignoring_case(std::string_view text, std::string_view part);  // ASCII case
// The same, and no letter or digit follows or goes before.
bool contains_word(std::string_view text, std::string_view part);

// SQuAD's normal form, in words: lower case, without punctuation and articles. A CJK character is a
// word of its own.
std::vector<std::string> normal_words(std::string_view text);
// Lower-case runs of letters and digits, articles included.
std::vector<std::string> plain_words(std::string_view text);
// Between white space, as they are; a CJK character is a word of its own.
std::vector<std::string> raw_words(std::string_view text);

double token_f1(std::string_view answer, std::string_view reference);
double rouge_l(std::string_view answer, std::string_view reference);
double edit_similarity(std::string_view answer, std::string_view reference);

// Runs of digits, with a minus before them if `sign`; leading zeros stay.
std::vector<std::string> integers(std::string_view text, bool sign = false);

bool abstains(std::string_view text);
// Whether some sentence of the text says `part` (in whole words, or with a plural s) without
// denying it: a "not", "no", "never", "without" and the like denies what follows it in its
// sentence, and one right after `part` ("images are not") what it follows.
bool claims(std::string_view text, std::string_view part);

// COLOUR-ANIMAL-NNNN, or its beginning: "PEARL-OTTER-27", "SCARLET-B".
struct Code {
  std::string color, animal, digits;  // lower case; empty where missing
};
// Everything in the text that could be one: two words with a hyphen, and what follows of digits.
std::vector<Code> codes(std::string_view text);

}  // namespace pith::eval
