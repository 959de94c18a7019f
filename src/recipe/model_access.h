// What the few parts that must run the model may ask of it while they plan. The engine implements
// it (engine/model_access.h); everything else about recipes is pure.
#pragma once

#include <string_view>
#include <vector>

#include "cache/cache.h"
#include "cache/plan.h"

namespace pith::recipe {

struct VirtualRequest {
  double ratio = 2;  // source tokens per virtual entry
  Index turn = 250;  // tokens compressed at once, at most; cut where sentences begin
  Index steps = 300, least_steps = 100;  // of optimisation, for every 250 tokens; and at least
  double rate = 3e-3, noise = 0;
  Index seed = 42;
  std::string_view pooling, loss, exempt;
  std::string_view encoder;  // file of the encoder that gives the starts; empty: plain means
  Index exact_turns = 0;     // newest turns that are read anew behind what is compressed
  bool whole_turns = false;  // turns of the highest mean surprisal stay, the others give more
};

struct LearnedRequest {
  Index steps = 200;   // of training
  double rate = 0.01;  // of Adam
  Index length = 64;   // document tokens that a step repeats
  Index teacher =
      20;  // targets: the likeliest tokens behind the whole cache; 0: the document's own
  Index seed = 42;
};

class ModelAccess {
 public:
  virtual ~ModelAccess() = default;

  // Entries that stand for everything behind the chat prefix, in place of the exact ones, for every
  // lane [lanes]. Throws bad_input where the context is compressed already.
  virtual std::vector<cache::NewEntries> virtual_entries(const VirtualRequest& request) = 0;

  // Trains the keys and values of what a plan keeps of a cache, and writes them into it; the chat
  // prefix and the first entry stay as they are. Leaves the plan alone where training diverges.
  virtual void learn_entries(const LearnedRequest& request, const cache::Cache& cache,
                             cache::Plan& plan) = 0;
};

}  // namespace pith::recipe
