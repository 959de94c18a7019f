// What a family of tasks gives to the registry (suite.cpp), and small helpers for making items.
// It is not for users of suites: suite.h is.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "eval/suite.h"
#include "eval/text/draw.h"
#include "eval/text/weave.h"
#include "eval/text/words.h"

namespace pith::eval {

struct Request {
  std::string_view task;
  Index index = 0;  // of the document among those of its task
  const SuiteOptions& options;
  const TokenCounter& count;

  Rng rng() const { return stream(options.seed, task, index); }
  Length length() const { return {options.tokens, count}; }
};

struct Family {
  SuiteInfo info;
  Document (*make)(const Request& request);  // id, text and items
};
const Family& needles_family();
const Family& kv_family();
const Family& strings_family();
const Family& instructions_family();
const Family& physics_family();
const Family& ruler_family();
const Family& infinite_family();
const Family& transcript_family();

// An empty document named "task-0003".
Document new_document(const Request& request);
// Appends an item named "task-0003/q05".
Item& add_item(Document& document, const Request& request);

// n codes COLOUR-ANIMAL-NNNN that share no part with each other (n <= 30).
std::vector<std::string> make_codes(Rng& rng, Index n);

// Different people, who share neither full name nor, where there are enough names, any part of it.
struct Person {
  std::string name;     // "Ines Calder"
  std::string pronoun;  // "She"
};
std::vector<Person> make_people(Rng& rng, Index n);

// The other texts of a list: distractors of the one at `asked`.
std::vector<std::string> others(const std::vector<std::string>& all, Index asked);

// Every place of `part` in `text` with no letter or digit beside it.
std::vector<TextSpan> find_words(std::string_view text, std::string_view part);

std::string percent(double share);
std::string upper(std::string_view text);  // ASCII

}  // namespace pith::eval
