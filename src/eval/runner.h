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
#include "eval/run_config.h"

namespace pith::eval {

// The engine that runs need: answers do not depend on what is decoded beside them (numerics.md), so
// that a run that was killed, split or extended gives what an uninterrupted one gives.
EngineOptions engine_options(const RunConfig& config);

struct RunProgress {
  Index done = 0, total = 0;  // documents times recipes (and twins) that are to be computed
  double seconds = 0;         // since the start
  double kernel_share = 0;    // of that time, spent reading and decoding
  std::string what;           // the document at hand, and the turn that is being optimised
  std::string doing;          // reading, replaying or optimising; empty: answering
  Index step = 0, steps = 0;  // of that
};

struct RunSummary {
  Index answered = 0;   // by this call
  Index skipped = 0;    // already there
  Index documents = 0;  // read by this call
  Index arms = 0;       // recipes and twins of these documents, summed
  double seconds = 0;
  double make_s = 0;               // writing the documents
  double read_s = 0;               // prefill, signals, and what caches are checked against
  double replay_s = 0;             // a part of reading that only some recipes need
  double compress_s = 0;           // plans and their application
  double check_s = 0;              // repeating the sample from compressed caches
  double answer_s = 0;             // reading questions and decoding
  std::vector<std::string> notes;  // of arms whose compression had something to say
  double kernel_seconds() const { return read_s + replay_s + check_s + answer_s; }
};

// Throws what a run would throw before its first document, or at it: for unknown suites or recipes,
// missing files, more tokens than the model can read, recipes that cannot be run beside each other,
// and those that cannot be carried out under their schedule. Writes nothing.
void check_run(const std::shared_ptr<Engine>& engine, const RunConfig& config);

// Runs what is missing in the folder `out`: predictions.jsonl, or predictions-I-of-N.jsonl of a
// shard. Throws before anything is computed for unknown suites or recipes; a recipe or twin that
// cannot meet its budget on a document throws bad_budget with its name.
RunSummary run_suites(const std::shared_ptr<Engine>& engine, const RunConfig& config,
                      const std::filesystem::path& out,
                      const std::function<void(const RunProgress&)>& progress);

// The same work in pieces for sweeps: one document with all recipes. Its key is a hash of what
// decides it, but for the recipes, which may be added; what it answers goes to items/KEY.jsonl.
struct WorkItem {
  Index number = 0;
  std::string key, suite;
};
std::vector<WorkItem> work_items(const Engine& engine, const RunConfig& config);
RunSummary run_item(const std::shared_ptr<Engine>& engine, const RunConfig& config, Index number,
                    const std::filesystem::path& out);

// Gathers the predictions of finished runs, shards and work items of the same settings into
// `out`/predictions.jsonl, beside what `out` holds already. Throws bad_input for runs that do not
// belong together, io while another process writes that file.
void merge_runs(const std::vector<std::filesystem::path>& folders,
                const std::filesystem::path& out);

// What a run like `config` would take, from one document of it with at most `arms` of its recipes.
struct Estimate {
  Index documents = 0, arms = 0;  // of the whole run; arms with twins
  Index measured_arms = 0, measured_answers = 0;
  double measured_seconds = 0, kernel_share = 0;
  double read_s = 0, replay_s = 0;      // per document
  double compress_s = 0, answer_s = 0;  // per document and arm
  double seconds = 0;                   // of the whole run
};
Estimate estimate_run(const std::shared_ptr<Engine>& engine, const RunConfig& config, Index arms);

}  // namespace pith::eval
