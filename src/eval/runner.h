// The runner: reads each document of a suite once, forks it for every recipe and question, and
// writes predictions as they come. Runs can be killed, resumed and split. What the predictions mean
// is the metrics' business (metrics.h).
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/schedule.h"
#include "eval/suite.h"

namespace pith::eval {

struct RunConfig {
  std::string model;  // as given, for the record
  std::vector<std::string> suites;
  SuiteOptions suite;                // tokens, contexts, seed
  std::vector<std::string> recipes;  // `full` is added when it is missing
  Schedule schedule;                 // prefill, or chunk: every recipe reads for itself
  bool question_aware =
      false;  // read the question with the document, before compressing: every arm then sees it
  Index shard = 0, shards = 1;  // this process takes the documents i with i % shards == shard
  Index together = 8;           // answers decoded at once
};

struct RunProgress {
  Index done = 0, total = 0;  // answers
  double seconds = 0;         // since the start
  double kernel_share = 0;    // of that time, spent reading and decoding
  std::string what;           // the document at hand
};

struct RunSummary {
  Index answered = 0;  // by this call
  Index skipped = 0;   // already there
  double seconds = 0, kernel_seconds = 0;
};

// Runs what is missing in `out`/predictions.jsonl. Throws before anything is computed for unknown
// suites or recipes; a recipe that cannot meet its budget on a document throws bad_budget with its
// name.
RunSummary run_suites(const std::shared_ptr<Engine>& engine, const RunConfig& config,
                      const std::filesystem::path& out,
                      const std::function<void(const RunProgress&)>& progress);

}  // namespace pith::eval
