// Parts shared by RULER's tasks: the frame of a prompt and the finding of its answers.
// It holds no task: ruler_niah.cpp, ruler_lists.cpp and ruler_qa.cpp do.
#pragma once

#include "eval/suites/family.h"

namespace pith::eval::ruler {

// Text, question and answer prefix split as kvpress splits them: the text ends before the question.
struct Prompt {
  std::string text, question, answer_prefix;
};

Document make_niah(const Request& request);
Document make_vt(const Request& request);
Document make_cwe(const Request& request);
Document make_fwe(const Request& request);
Document make_qa(const Request& request);

// A document with the single item of a RULER sample; `like` marks text that is pith's own instead
// of the published essays and data sets.
Document sample_of(const Request& request, Prompt prompt, std::vector<Reference> references,
                   Index max_tokens, bool like);

}  // namespace pith::eval::ruler
