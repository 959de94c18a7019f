// Judging answers: a score in [0, 1] and, for a wrong answer, the class of its failure. Pure text:
// it knows neither the model nor the cache that wrote the answer.
#pragma once

#include <string>
#include <string_view>

#include "eval/suite.h"

namespace pith::eval {

enum class Failure {
  none,
  crossover,    // parts of the asked fact joined to parts of another
  other_fact,   // another fact, or parts of others, and nothing of the asked one
  partial,      // part of the asked fact, the rest missing or not in the context
  fabricated,   // nothing of any fact in the context
  abstain,      // says that it does not know
  broken_rule,  // a rule of Metric::follows was not kept, or something forbidden claimed
  unended,      // did not end within its tokens, and nothing above can be said of it
};
std::string_view to_string(Failure failure);

struct Verdict {
  double score = 0;
  Failure failure = Failure::none;  // none if and only if score is 1
  bool exact = false;  // the answer is a reference and nothing else (case and punctuation aside)
  bool contained = false;  // every reference (contains_all, prefix) or any of them stands in it
};

// Rules of Metric::follows: uppercase, lowercase, one_line, max_words:N, starts_with:X,
// ends_with:X, contains:X, not_contains:X. X is compared by its words, so case and punctuation do
// not matter. Throws bad_input for a rule that is none of these.
Verdict judge(const Item& item, std::string_view answer, bool ended = true);

// Whether an answer counts as right where only right and wrong are told apart: with a score of 1,
// and, where the score also goes by what else is said (token_f1, rouge_l), if a reference stands in
// it.
bool is_right(const Item& item, const Verdict& verdict);

// What judges an item, for the keys of what is kept of it. A suite of files is judged by what the
// files say: all of that, so that a corrected answer is judged anew. A generated suite is judged by
// the code, so the text is empty, but for what the code judges otherwise than it did for answers
// that are kept under the same version (kAnswersVersion).
std::string judging_of(std::string_view suite, const Item& item);

// What of a model's text counts as its answer: models often go on with questions of their own, and
// a reference in there must not be scored. Leading white space goes, but of Cut::whole; then the
// item's cut.
std::string_view cut_answer(std::string_view answer, Cut cut);

}  // namespace pith::eval
