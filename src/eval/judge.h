// Judging answers: a score in [0, 1] and, for a wrong answer, the class of its failure. Pure text.
#pragma once

#include <string>
#include <string_view>

#include "eval/suite.h"

namespace pith::eval {

enum class Failure {
  none,
  crossover,   // parts of the asked fact joined to parts of another
  other_fact,  // the whole of another fact
  partial,     // part of the asked fact, the rest missing or not in the context
  fabricated,  // nothing of any fact in the context
  abstain,     // says that it does not know
  unended,     // did not end within its tokens (and was not right)
};
std::string_view to_string(Failure failure);

struct Verdict {
  double score = 0;
  Failure failure = Failure::none;  // none if and only if score is 1
};

Verdict judge(const Item& item, std::string_view answer, bool ended = true);

}  // namespace pith::eval
