// Which answers and excerpts the page has room for: the wrong ones first, then a sample of the
// right ones. It measures nothing; figures are made from all answers (tables.h).
#pragma once

#include <nlohmann/json.hpp>

#include "eval/report/gather.h"

namespace pith::eval {

struct Embedded {
  nlohmann::ordered_json items;     // [{key, question, references, outcome, excerpt, ...}, ...]
  nlohmann::ordered_json answers;   // {"columns": [...], "rows": [[item, arm, score, ...], ...]}
  nlohmann::ordered_json left_out;  // how many answers, right and wrong, are not in `answers`
};

// `bytes`: as the page writes it, escapes included. Every item that an answer in `answers` belongs
// to is there, with the outcome of all arms.
Embedded embed(const Gathered& gathered, const std::vector<std::string>& failure_classes,
               Index bytes);

// JSON that can stand in an HTML script element: <, > and & are escapes.
std::string script_json(const nlohmann::ordered_json& json);

}  // namespace pith::eval
