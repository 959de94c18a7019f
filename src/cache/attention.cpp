#include "cache/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "cache/attention_block.h"

namespace pith::cache {
namespace {

// Of a block: its queries, strip, and a chunk's keys and values together fit half a MiB.
constexpr Index kBlockRows = 96;
constexpr Index kRowStep = 6;  // the vector kernels' favourite number of rows
// Floats of the weights that a tap is shown: 1 MiB, unless a single query needs more.
constexpr Index kTapFloats = Index{1} << 18;
constexpr Index kSplitChunks = 4;     // least chunks of a split: 1024 entries
constexpr Index kBlocksPerHead = 16;  // few blocks are split until there are about this many

// Queries of a block: as many as `rows` allow, or somewhat fewer if that makes whole steps of rows.
Index block_queries(Index tokens, Index group, Index rows) {
  const Index most = std::max<Index>(1, rows / group);
  if (tokens <= most) return std::max<Index>(1, tokens);
  for (Index queries = most; queries >= most - most / 8; --queries)
    if (queries * group % kRowStep == 0) return queries;
  return most;
}

void check(const AttentionOptions& options, const AttentionJob& job) {
  PITH_CHECK(job.cache != nullptr, "a job without a cache");
  const Shape& shape = job.cache->shape();
  const Index floats = job.tokens * options.query_heads * shape.head_dim;
  PITH_CHECK(options.layer >= 0 && options.layer < shape.layers,
             fmt::format("layer {}", options.layer));
  PITH_CHECK(options.query_heads > 0 && options.query_heads % shape.kv_heads == 0,
             fmt::format("Hq {}, Hkv {}", options.query_heads, shape.kv_heads));
  PITH_CHECK(static_cast<Index>(job.queries.size()) == floats &&
                 static_cast<Index>(job.out.size()) == floats,
             fmt::format("{} queries, {} results; expected {}", job.queries.size(), job.out.size(),
                         floats));
}

// One attend(): its blocks, in an order and of sizes that depend on the jobs only, so that results
// do not depend on threads.
class Schedule {
 public:
  Schedule(const AttentionOptions& options, std::span<const AttentionJob> jobs)
      : options_(options) {
    for (std::size_t j = 0; j < jobs.size(); ++j) {
      check(options, jobs[j]);
      if (jobs[j].tokens > 0) add_job(jobs[j], static_cast<Index>(j));
    }
  }

  void run(ThreadPool& pool) {
    // The caller's, for all threads of the pool, and kept from layer to layer. Inside a loop only
    // the notes of a tapped block grow.
    static thread_local std::vector<BlockRunner> runners;
    static thread_local AlignedBuffer<float> states;
    if (static_cast<int>(runners.size()) < pool.size())
      runners.resize(static_cast<std::size_t>(pool.size()));
    for (BlockRunner& runner : runners) runner.reserve(size_);
    float* state = states.reserve(state_floats_);
    for (const Merge& merge : merges_)
      for (Index i = 0; i < merge.splits; ++i)
        blocks_[static_cast<std::size_t>(merge.first_block + i)].state =
            state + merge.state + i * merge.rows * (size_.head_dim + 2);

    const auto run_block = [&, all = runners.data()](Index i, int thread) {
      all[thread].run(options_, blocks_[static_cast<std::size_t>(i)], thread);
    };
    const auto count = static_cast<Index>(blocks_.size());
    if (tapped_)
      pool.run_static(count, run_block);
    else
      pool.run(count, run_block);
    pool.run(static_cast<Index>(merges_.size()),
             [&](Index i, int) { merge_states(merges_[static_cast<std::size_t>(i)], state); });
  }

 private:
  // A block whose splits must be merged.
  struct Merge {
    Index first_block, splits, rows;
    Index state;  // offset of [splits, rows, D + 2]
  };

  void add_job(const AttentionJob& job, Index index) {
    const Shape& shape = job.cache->shape();
    const Index group = options_.query_heads / shape.kv_heads;
    for (Index head = 0; head < shape.kv_heads; ++head) {
      const Lane& lane = job.cache->impl().lane(shape.lane(options_.layer, head));
      const Index entries = lane.size(), chunks = chunk_count(lane);
      const Index tap_rows = kTapFloats / strip_stride(entries, true);
      const Index queries =
          block_queries(job.tokens, group, job.tap ? std::min(kBlockRows, tap_rows) : kBlockRows);
      const Index blocks = ceil_div(job.tokens, queries);
      const Index splits =
          job.tap ? 1
                  : std::clamp<Index>(kBlocksPerHead / blocks, 1,
                                      std::max<Index>(1, ceil_div(chunks, kSplitChunks)));
      for (Index t = 0; t < job.tokens; t += queries) {
        AttentionBlock block{.job = &job, .job_index = index, .kv_head = head, .first_query = t};
        block.queries = std::min(queries, job.tokens - t);
        if (splits > 1) {
          merges_.push_back(
              {static_cast<Index>(blocks_.size()), splits, block.queries * group, state_floats_});
          state_floats_ += splits * block.queries * group * (shape.head_dim + 2);
        }
        for (Index split = 0; split < splits; ++split) {
          block.first_chunk = chunks * split / splits;
          block.last_chunk = chunks * (split + 1) / splits;
          blocks_.push_back(block);
        }
      }
      size_.rows = std::max(size_.rows, queries * group);
      size_.queries = std::max(size_.queries, queries);
      size_.head_dim = std::max(size_.head_dim, shape.head_dim);
      size_.strip =
          std::max(size_.strip, queries * group * strip_stride(entries, job.tap != nullptr));
      if (job.tap) tapped_ = true;
    }
  }

  // (m, l, o) of all splits, in order: o = sum_i exp(m_i - m) o_i, l = sum_i exp(m_i - m) l_i,
  // result o / l.
  void merge_states(const Merge& merge, const float* states) const {
    const AttentionBlock& block = blocks_[static_cast<std::size_t>(merge.first_block)];
    const Index dim = block.job->cache->shape().head_dim, heads = options_.query_heads;
    const Index group = heads / block.job->cache->shape().kv_heads;
    const auto state = [&](Index split, Index row) {
      return states + merge.state + (split * merge.rows + row) * (dim + 2);
    };
    for (Index r = 0; r < merge.rows; ++r) {
      float* out =
          block.job->out.data() +
          ((block.first_query + r / group) * heads + block.kv_head * group + r % group) * dim;
      std::fill_n(out, dim, 0.0f);
      float m = -std::numeric_limits<float>::infinity(), l = 0;
      for (Index i = 0; i < merge.splits; ++i) m = std::max(m, state(i, r)[dim]);
      for (Index i = 0; i < merge.splits; ++i) {
        const float* part = state(i, r);
        if (part[dim + 1] == 0) continue;  // this split saw nothing
        const float factor = std::exp(part[dim] - m);
        l += factor * part[dim + 1];
        for (Index d = 0; d < dim; ++d) out[d] += factor * part[d];
      }
      const float factor = l > 0 ? 1 / l : 0.0f;
      for (Index d = 0; d < dim; ++d) out[d] *= factor;
    }
  }

  const AttentionOptions options_;
  std::vector<AttentionBlock> blocks_;
  std::vector<Merge> merges_;
  Index state_floats_ = 0;
  BlockSize size_;  // of the largest block, each number for itself
  bool tapped_ = false;
};

}  // namespace

void attend(const AttentionOptions& options, std::span<const AttentionJob> jobs, ThreadPool& pool) {
  Schedule(options, jobs).run(pool);
}

}  // namespace pith::cache
