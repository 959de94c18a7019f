// The two halves of `pith probe`: one document in full, and a suite of documents in sum. What a
// command line says and how it becomes an examination is here; nothing is computed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "eval/suite.h"
#include "probe/examine.h"

namespace pith::cli {

struct ProbeOptions {
  ModelOptions model;
  std::string document, system, html;
  std::vector<std::string> questions, answers, recipes;
  std::vector<double> grid = {0, 0.5, 0.75, 0.9};
  std::string suite, tag = "answer_type", out;
  std::vector<std::string> question_modes = {"agnostic"};  // of a suite; or aware
  eval::SuiteOptions documents;
  std::optional<Index> max_tokens;  // none: 32, of a suite what its items allow
  Index replay = 128;
  double epsilon = 0;
  bool fast = false, no_graph = false, layers = false, json = false;
};

// Everything but questions, judge and progress.
probe::ExamineOptions examine_options(const ProbeOptions& options);

void probe_document(const ProbeOptions& options);
void probe_suite(const ProbeOptions& options);

}  // namespace pith::cli
