// What a run of pith eval is asked to do, as a YAML file and as a value, and the record of what
// decided its results. It runs nothing.
//
//     model: qwen2.5-coder-0.5b-instruct
//     suite: [needles, kv]            # or one name
//     tokens: 4096
//     contexts: 40
//     kv: ["kvzip_plus + global", "random"]
//     budgets: [2x, 4x, 8x]           # each recipe above without a budget takes each of these
//     twins: true
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "eval/suite.h"

namespace pith::eval {

struct RunConfig {
  std::string model;                 // as given
  std::vector<std::string> suites;   // of suite.h, or folder:DIR, ruler:FILE, longbench:FILE
  SuiteOptions suite;                // tokens, contexts, seed; files are taken as they are
  std::vector<std::string> recipes;  // arms.h; `full` always runs
  std::vector<std::string> budgets;  // for the recipes without one
  std::string baseline = "full";     // differences are also taken to this recipe
  bool twins = false;  // each recipe that chooses is run beside random, recency and spaced at its
                       // bytes
  bool question_aware = false;  // read the question with the document, before compressing: every
                                // arm then sees it
  bool check = false;           // measure, too, what of the document each compressed cache repeats
                                // (engine/guard/span_replay.h); changes no answer
  bool exact = false;
  int threads = 0;
  Index shard = 0, shards = 1;  // this process takes the documents i with i % shards == shard
  Index together = 16;          // answers decoded at once; decides nothing but speed and memory

  std::string out;  // folder of the results; may be left to the command line
};

// Throws not_found or bad_input: file:line, the key, what was expected, the nearest known key.
RunConfig read_config(const std::filesystem::path& path);
RunConfig parse_config(std::string_view yaml, std::string_view name);
// "2/8" into shard and shards; throws bad_input.
void set_shard(std::string_view text, RunConfig& config);

// What decides the results besides the config.
struct RunFacts {
  std::string model_name;
  std::string model_hash;  // 16 hexadecimal digits
  std::string numerics;    // exact or fast
  std::string isa;         // instruction set
  std::string cache_type;  // of the full cache's entries
  std::string version;     // of pith
};
RunFacts facts_of(const Engine& engine);

// What config.yaml holds: the config's keys, which read_config() reads again, and the facts under
// `recorded`, which it leaves aside.
struct RecordedRun {
  RunConfig config;  // recipes with their budgets, all there were
  RunFacts facts;
};
RecordedRun recorded(const RunConfig& config, const RunFacts& facts);
std::string to_yaml(const RecordedRun& run);
// Reads `folder`/config.yaml.
RecordedRun read_recorded(const std::filesystem::path& folder);
// Both runs as one: suites and recipes are added, everything else that decides a result must be the
// same; bad_input says what is not, calling the first run `name`.
RecordedRun joined(const RecordedRun& there, const RecordedRun& more, const std::string& name);
// Writes `out`/config.yaml, joined with the one that is there.
void record(const RecordedRun& run, const std::filesystem::path& out);

}  // namespace pith::eval
