// Predictions of several runs put in order for the report: arms, items, answers, groups of lengths.
// It measures nothing.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "eval/report.h"
#include "eval/report/fate.h"

namespace pith::eval {

struct ReportArm {
  Index run = 0;
  std::string recipe, canonical;
  std::string method, budget;  // the recipe without its budgets, and these
  std::string twin;            // random, recency or spaced of a twin (predictions.h)
  bool sees_question = false, oracle = false, keeps_full = false;
};

struct ReportItem {
  const Prediction* any = nullptr;           // what all its answers share: question, references
  const DocumentRecord* document = nullptr;  // null for runs without documents.jsonl
  const DocumentItem* spans = nullptr;
  std::string key;    // unique and stable: links name it
  Index length = 0;   // group
  double depth = -1;  // of the answer in the document, 0 to 1; -1 where there is none
};

struct ReportAnswer {
  const Prediction* prediction = nullptr;
  const Prediction* full = nullptr;  // the answer of `full` to the same item; null if missing
  Index arm = 0, item = 0;
  Fate fate = Fate::unrecorded;
  bool wrong() const { return prediction->score < 1; }
  bool lost() const { return wrong() && full && full->score == 1; }  // by the compression
};

struct Gathered {
  std::vector<ReportArm> arms;
  std::vector<ReportItem> items;
  std::vector<ReportAnswer> answers;
  std::vector<Index> lengths;  // mean context tokens of each group, ascending
  std::vector<Index> sets;     // [runs]: runs of one model on the same documents share a number
};

// Points into `runs`.
Gathered gather(std::span<const ReportRun> runs);

}  // namespace pith::eval
