// Signals: what the model revealed while it read. A recipe declares what it needs (SignalNeeds);
// the engine collects just that during prefill and hands it over (Signals). Nothing here runs a
// model.
//
// T = context tokens, indexed by source token. Query heads [Hq] share KV heads in groups of G = Hq
// / Hkv: query head h belongs to KV head h / G. Queries are stored with pairs (i, i + D/2), like
// the keys of the cache.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/types.h"

namespace pith::recipe {

struct SignalNeeds {
  Index window_queries = 0;    // the last w context queries of every layer, rotated
  bool query_moments = false;  // mean and covariance of unrotated queries ...
  Index moments_skip = 4;      // ... of all context tokens but the first ones (attention sinks)
  bool attention_sum = false;  // column sums of the prefill's attention
  bool attention_max = false;  // column maxima
  bool replay = false;         // KVzip's replay scores
  bool replay_plus = false;    // KVzip+'s
  bool question_queries =
      false;                  // the queries of the question's tokens: the recipe sees the question
  bool sentences = false;     // where sentences begin
  Index context_queries = 0;  // so many of the context's queries, moved behind it
  Index replay_queries = 0;   // so many of the replay's

  // Whether the context must be read a second time.
  bool replays() const { return replay || replay_plus || replay_queries > 0; }

  SignalNeeds& operator|=(const SignalNeeds& other);  // the union
  friend bool operator==(const SignalNeeds&, const SignalNeeds&) = default;
};

struct LayerSignals {
  std::vector<float>
      window_queries;  // [Hq, w, D], rotated at positions T - w .. T - 1 (w = min(needed, T))
  std::vector<float> query_mean;        // [Hq, D], unrotated
  std::vector<float> query_covariance;  // [Hq, D, D], unrotated, biased (divided by the count)
  std::vector<float> attention_sum;     // [Hq, T]: sum over all context queries of the weight that
                                        // they gave to token j
  std::vector<float> attention_max;     // [Hq, T]
  std::vector<float> replay;  // [Hkv, T]: max over replay queries and group (KVzip); 0 where never
                              // scored (chat prefix)
  std::vector<float> replay_plus;  // [Hkv, T]: with rows / ||hidden||, columns * ||Wo v|| (KVzip+)
  // Reference queries: what attends to the context from behind it. Evenly spaced samples, rotated
  // at positions from next_position on.
  std::vector<float> context_queries;   // [Hq, nc, D]
  std::vector<float> replay_queries;    // [Hq, nr, D]
  std::vector<float> question_queries;  // [Hq, nq, D], rotated at positions next_position ..
                                        // next_position + nq - 1
};

struct Signals {
  Index tokens = 0;           // T
  Index query_heads = 0;      // Hq
  float attention_scale = 0;  // multiplies q.k
  Index prefix_tokens = 0;    // chat template before the document: tokens [0, prefix_tokens)
  Index next_position = 0;    // of the first token after the context
  Index window = 0;           // w as collected
  Index question_tokens = 0;  // nq
  Index context_queries = 0;  // nc
  Index replay_queries = 0;   // nr
  std::vector<std::int32_t>
      sentence_starts;  // source tokens at which a sentence begins, ascending, first element 0
  std::vector<LayerSignals> layers;  // [L]
};

}  // namespace pith::recipe
