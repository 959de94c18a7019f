// How measured speeds are shown, beside what the machine could do at best. It measures nothing.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"

namespace pith::cli {

// Runs of one measurement, in tokens per second.
struct Speed {
  std::vector<double> runs;
  double best() const;
  double median() const;
};

struct BenchResult {
  Index prompt = 0, generate = 0, gradient_rows = 0, depth = 0;
  std::string model;  // as the user calls it
  std::string recipe;
  Speed prefill, decode;  // tokens per second
  Speed gradient;         // rows per second, forward and backward
  double depth_read_seconds = 0, replay_seconds = 0, compress_seconds = 0;
  Index entries = 0, lanes = 0, cache_bytes = 0,
        full_bytes = 0;   // before the timed steps, after compression
  std::string stored_as;  // likewise
  Index peak_bytes = 0;   // of the cache until then, with forks for replays
};

void put_bench(const BenchResult& result, Engine& engine, bool ceilings, bool json);

}  // namespace pith::cli
