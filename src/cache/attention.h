// Attention of queries over the lanes of one layer, for one or several caches at once. It reads
// packed entries in place and appends nothing: the keys and values of the queries' own tokens must
// be in the cache already.
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "cache/cache.h"

namespace pith::cache {

// The normalised attention weights of a block of query rows over one whole lane, shown to a tap
// while they are hot in the cache memory.
struct WeightBlock {
  Index job = 0;  // index in the list given to attend()
  Index layer = 0;
  Index kv_head = 0;
  Index first_query = 0;  // of the job's T queries
  Index queries = 0;      // in this block
  Index group = 0;  // G query heads share the lane: row r is query first_query + r / G, query head
                    // kv_head * G + r % G
  Index entries = 0;         // n of the lane
  Index stride = 0;          // floats from one row to the next
  float* weights = nullptr;  // [queries * group, stride]: rows sum to 1; entries that a query
                             // cannot see have weight 0. Scratch: may be overwritten
  int thread = 0;            // blocks of one thread come in a fixed order; threads run concurrently
};

class AttentionTap {
 public:
  virtual ~AttentionTap() = default;
  virtual void observe(const WeightBlock& block) = 0;
};

struct AttentionJob {
  const Cache* cache = nullptr;
  std::span<const float> queries;  // [T, Hq, D], rotated
  std::span<float> out;            // [T, Hq, D]
  Index tokens = 0;  // T: the last T entries of every lane are the queries' own; query t sees all
                     // but the last T - 1 - t
  Index first_position = 0;  // of query 0 (matters for sliding windows only)
  AttentionTap* tap = nullptr;
};

struct AttentionOptions {
  Index layer = 0;
  Index query_heads = 0;  // Hq
  float scale = 1;        // multiplies q.k (1/sqrt(D) for most models)
};

// The same bits for the same ISA and thread count, whatever the schedule. With a tap, blocks are
// bound to threads (ThreadPool::run_static).
void attend(const AttentionOptions& options, std::span<const AttentionJob> jobs, ThreadPool& pool);

}  // namespace pith::cache
