#include "engine/conversation/eviction.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/signals/attention_sums.h"
#include "engine/signals/observer.h"
#include "kernels/vector.h"
#include "recipe/budget.h"

namespace pith {
namespace {

// Sums of attention per entry that is there before.
class EntrySums final : public ReadObserver, private cache::AttentionTap {
 public:
  explicit EntrySums(const Context& context)
      : shape_(context.cache().shape()), by_thread_({.sum = true}, context.engine().pool().size()) {
    for (Index lane = 0; lane < shape_.lanes(); ++lane)
      sizes_.push_back(context.cache().size(lane));
    longest_ = *std::max_element(sizes_.begin(), sizes_.end());
    sums_.resize(static_cast<std::size_t>(shape_.lanes() * longest_));
  }
  cache::AttentionTap* tap(Index /*layer*/) override { return this; }
  void end_layer(Index layer) override {
    const Index size = shape_.kv_heads * longest_;
    by_thread_.merge({sums_.data() + layer * size, static_cast<std::size_t>(size)}, {});
  }

  std::vector<std::vector<float>> by_lane() const {  // [lanes][n]
    std::vector<std::vector<float>> out;
    for (const Index size : sizes_) {
      const float* lane = sums_.data() + std::ssize(out) * longest_;
      out.emplace_back(lane, lane + size);
    }
    return out;
  }

 private:
  void observe(const cache::WeightBlock& block) override {
    const auto lane = static_cast<std::size_t>(block.layer * shape_.kv_heads + block.kv_head);
    float* sum =
        by_thread_.of(block, shape_.kv_heads * longest_).sum.data() + block.kv_head * longest_;
    for (Index row = 0; row < block.queries * block.group; ++row)
      vector_kernels().axpy(1.0f, block.weights + row * block.stride, sizes_[lane], sum);
  }

  const cache::Shape& shape_;
  AttentionSums by_thread_;
  std::vector<Index> sizes_;  // [lanes], n
  Index longest_ = 0;         // of them
  std::vector<float> sums_;   // [lanes, longest]
};

using Candidate = EvictionCandidate;

Index turn_of(const std::vector<Index>& starts, Index token) {
  return std::upper_bound(starts.begin(), starts.end(), token) - starts.begin();
}

// The entries of a lane that may go: all but the best few of every turn.
void add_candidates(const cache::Cache& cache, Index lane, const std::vector<float>& attention,
                    const EvictionLimits& limits, std::vector<Candidate>& out) {
  const auto infos = cache.read_info(lane);
  const auto formats = cache.read_formats(lane);
  std::map<Index, std::vector<Candidate>> turns;
  for (std::size_t j = 0; j < infos.size(); ++j) {
    if (infos[j].span.begin < limits.prefix_tokens) continue;
    turns[turn_of(limits.turn_starts, infos[j].span.begin)].push_back(
        {lane, static_cast<Index>(j), attention[j],
         recipe::entry_bytes(cache.shape(), formats[j], cache::columns_of(infos[j]))});
  }
  for (auto& [turn, entries] : turns) {
    const auto fewest = std::min<Index>(limits.fewest_of_turn, std::ssize(entries));
    std::partial_sort(entries.begin(), entries.begin() + fewest, entries.end(),
                      [](const Candidate& a, const Candidate& b) {
                        return std::pair(-a.attention, -a.entry) <
                               std::pair(-b.attention, -b.entry);
                      });
    out.insert(out.end(), entries.begin() + fewest, entries.end());
  }
}

Eviction split(const cache::Cache& cache, const std::vector<std::vector<bool>>& goes) {
  Eviction out;
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane) {
    cache::LanePlan &kept = out.keep.lanes.emplace_back(), &gone = out.evict.lanes.emplace_back();
    const auto formats = cache.read_formats(lane);
    for (std::size_t j = 0; j < formats.size(); ++j) {
      cache::LanePlan& to = goes[static_cast<std::size_t>(lane)][j] ? gone : kept;
      to.keep.push_back(static_cast<std::int32_t>(j));
      to.formats.push_back(formats[j]);
    }
    out.entries += std::ssize(gone.keep);
  }
  return out;
}

std::vector<std::vector<bool>> none_of(const cache::Cache& cache) {
  std::vector<std::vector<bool>> out;
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane)
    out.emplace_back(static_cast<std::size_t>(cache.size(lane)));
  return out;
}

}  // namespace

std::vector<std::vector<float>> attention_of(const Context& context,
                                             std::span<const Token> tokens) {
  Context fork = context.fork();
  EntrySums sums(fork);
  fork.read(tokens, &sums);
  return sums.by_lane();
}

std::vector<EvictionCandidate> eviction_order(const cache::Cache& cache,
                                              const std::vector<std::vector<float>>& attention,
                                              const EvictionLimits& limits) {
  std::vector<Candidate> candidates;
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane)
    if (cache.shape().window(lane / cache.shape().kv_heads) == 0)
      add_candidates(cache, lane, attention[static_cast<std::size_t>(lane)], limits, candidates);
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tuple(a.attention, a.entry, a.lane) < std::tuple(b.attention, b.entry, b.lane);
  });
  return candidates;
}

Eviction plan_eviction(const cache::Cache& cache, std::span<const EvictionCandidate> order,
                       Index bytes) {
  auto goes = none_of(cache);
  Index freed = 0;
  for (const Candidate& one : order) {
    if (freed >= bytes) break;
    goes[static_cast<std::size_t>(one.lane)][static_cast<std::size_t>(one.entry)] = true;
    freed += one.bytes;
  }
  return split(cache, goes);
}

Eviction plan_windows(const cache::Cache& cache, Index next) {
  auto goes = none_of(cache);
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane) {
    const Index window = cache.shape().window(lane / cache.shape().kv_heads);
    if (window == 0) continue;
    const auto infos = cache.read_info(lane);
    for (std::size_t j = 0; j < infos.size(); ++j)
      goes[static_cast<std::size_t>(lane)][j] =
          infos[j].position < static_cast<float>(next - window);
  }
  return split(cache, goes);
}

Eviction plan_recall(const cache::Cache& cold, const std::vector<std::vector<float>>& attention,
                     Index most) {
  struct Chunk {
    float attention = 0;
    Index entries = 0;
  };
  std::vector<std::vector<Index>> chunk_of;  // [lanes][n]
  std::map<Index, Chunk> chunks;
  for (Index lane = 0; lane < cold.shape().lanes(); ++lane) {
    auto& own = chunk_of.emplace_back();
    for (const cache::EntryInfo& info : cold.read_info(lane)) {
      const Index j = std::ssize(own), chunk = info.span.begin / kRecallChunk;
      own.push_back(chunk);
      chunks[chunk].attention +=
          attention[static_cast<std::size_t>(lane)][static_cast<std::size_t>(j)];
      ++chunks[chunk].entries;
    }
  }
  std::vector<std::pair<Index, Chunk>> order(chunks.begin(), chunks.end());
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(-a.second.attention, a.first) < std::pair(-b.second.attention, b.first);
  });
  std::set<Index> comes;
  for (const auto& [chunk, what] : order) {
    if (what.attention <= 0 || what.entries > most) break;
    comes.insert(chunk);
    most -= what.entries;
  }
  auto goes = none_of(cold);
  for (std::size_t lane = 0; lane < goes.size(); ++lane)
    for (std::size_t j = 0; j < goes[lane].size(); ++j)
      goes[lane][j] = comes.contains(chunk_of[lane][j]);
  return split(cold, goes);
}

}  // namespace pith
