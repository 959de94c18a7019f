// What an examination found, as plain data: one document, one full cache, and any number of
// compressed ones. docs/diagnostics.md says what each figure means.
#pragma once

#include <string>
#include <vector>

#include "probe/classify.h"
#include "probe/curve.h"
#include "probe/fidelity.h"
#include "probe/overlap.h"
#include "probe/summary_loss.h"
#include "probe/survival.h"
#include "probe/watch.h"

namespace pith::probe {

enum class Judgement { unjudged, right, abstained, wrong };

// One question, asked of one cache.
struct AnswerReport {
  Index question = 0;  // of Report::questions
  std::string text;
  Judgement judgement = Judgement::unjudged;
  Outcome outcome = Outcome::right;  // if judged
  // If the text states the answer:
  Scoped ger;                 // over the tokens of all places
  bool all_gone = false;      // of every place
  bool reachable = false;     // in the pruned graph, from the question's end or the answer
  Index direct_routes = 0;    // lanes that join them to the answer's place in one step
  Index disjoint_routes = 0;  // lane-disjoint paths, a lower bound
  double answer_mass = 0;     // attention on the answer's tokens
  Fidelity fidelity;          // over the full cache's answer
  std::vector<float> pooled;  // [E] final hidden states, mean over the question's tokens: what a
                              // probing classifier reads
};

// One cache.
struct ArmReport {
  std::string recipe;  // canonical, budget included
  Index series = -1;   // of Report::series; -1: the full cache
  Index request = -1;  // of ExamineOptions::arms
  double ratio = 0;    // on the grid; nan without one
  Index entries = 0, bytes = 0, full_bytes = 0;
  double removed = 0;  // share of the entries of layers without a window that is gone

  KeptSets kept;
  Scoped eviction;  // eviction rate over the text's tokens
  double ger_proxy = 0, surprisal_gone = 0;
  Overlap overlap;
  Routes routes;
  Watched watched;  // means over questions and answers; over the replay if there are none
  SummaryLoss summaries;
  Fidelity replay, answers;  // rows 0: there was none
  std::vector<AnswerReport> questions;

  // Means over the questions whose answer the text states, or that were judged.
  Index stated = 0, judged = 0;
  Scoped ger;
  double all_gone = 0, right = 0, hallucinated = 0, abstained = 0;
};

// A recipe over the grid.
struct Series {
  std::string name;         // as given, with the question for recipes that look at it
  std::vector<Index> arms;  // of Report::arms, by ascending ratio
  Cliff ger, all_gone, hallucination;
  Susceptibility chi;      // of hallucination, if anything was judged
  Susceptibility ger_chi;  // of GER
};

struct QuestionInfo {
  std::string text, answer;                // answer empty: not known
  std::vector<std::vector<Index>> places;  // tokens of every place that states it
  std::vector<float> pooled_alone;  // [E] as AnswerReport::pooled, without the text, or empty
};

struct Report {
  Index tokens = 0;               // T of the context
  Index prefix = 0;               // of these, chat template before the text
  std::vector<std::string> text;  // [T - prefix] bytes of each token of the text
  std::vector<float> surprisal;   // [T] nats, from the full cache; 0 for the first token
  std::vector<float> importance;  // [T] attention received in the prefill, each layer summing to 1
  double epsilon = 0;             // of the graphs
  bool graphs = false;            // whether reachability was computed
  std::vector<QuestionInfo> questions;
  std::vector<ArmReport> arms;  // the full cache first
  std::vector<Series> series;
};

}  // namespace pith::probe
