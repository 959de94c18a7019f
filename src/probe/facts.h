// Facts: what a cohort needs of one examined document, without texts and pictures, so that a long
// examination can be written down document by document and gone on with. Plain data.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "probe/report.h"

namespace pith::probe {

struct QuestionFacts {
  Index question = 0;   // of the document
  bool stated = false;  // whether the text states the answer; else the next three mean nothing
  double ger = 0, ger_layers = 0;
  bool all_gone = false;
  Judgement judgement = Judgement::unjudged;
  Outcome outcome = Outcome::right;
  std::vector<float> pooled;  // [E]
};

struct ArmFacts {
  Index request = -1;
  double ratio = 0;  // nan without a grid
  double removed = 0, eviction = 0, ger_proxy = 0, jaccard = 0;
  double routes = 0;                              // nan where lanes do not differ
  std::vector<double> head_diversity, agreement;  // [L] without sinks
  Fidelity replay, answers;
  std::vector<QuestionFacts> questions;
};

struct Facts {
  std::string task, document;
  std::vector<std::map<std::string, std::string>> tags;  // [questions]
  std::vector<std::vector<float>> alone;  // [questions][E] of the questions without the text
  std::vector<ArmFacts> arms;
};

// Without task, document and tags, which a report does not know.
Facts facts_of(const Report& report);

}  // namespace pith::probe
