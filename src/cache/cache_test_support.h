// Random caches and attention by brute force in double, for the tests and benches of src/cache. Not
// part of the library.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "cache/attention.h"
#include "cache/cache.h"

namespace pith::cache::testing {

inline std::vector<float> random_floats(Index n, Rng& rng, double scale = 1) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& value : x) value = static_cast<float>(scale * rng.normal());
  return x;
}

// The usual frequencies: base^(-2 i / D).
inline Rotation rope(Index layers, Index head_dim, double base = 10000) {
  std::vector<double> frequencies;
  for (Index i = 0; i < head_dim / 2; ++i)
    frequencies.push_back(
        std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim)));
  return {std::vector<std::vector<double>>(static_cast<std::size_t>(layers), frequencies)};
}

// Appends `tokens` random entries to all layers.
inline void append_random(Cache& cache, Index tokens, Rng& rng) {
  const Shape& shape = cache.shape();
  const Index first = cache.source_tokens();
  for (Index layer = 0; layer < shape.layers; ++layer) {
    const auto keys = random_floats(tokens * shape.kv_heads * shape.head_dim, rng);
    const auto values = random_floats(tokens * shape.kv_heads * shape.head_dim, rng);
    cache.append(layer, keys, values, first, first);
  }
}

// The plan that keeps everything.
inline Plan identity(const Cache& cache) {
  Plan plan;
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane) {
    auto& keep = plan.lanes.emplace_back().keep;
    for (Index j = 0; j < cache.size(lane); ++j) keep.push_back(static_cast<std::int32_t>(j));
  }
  return plan;
}

// A plan that keeps each entry with probability `kept`, gives some of them weights and new
// positions, and adds `added` summaries per lane, all at random and differently for every lane.
inline Plan random_plan(const Cache& cache, double kept, Index added, Rng& rng) {
  Plan plan;
  const Index dim = cache.shape().head_dim;
  for (Index i = 0; i < cache.shape().lanes(); ++i) {
    LanePlan& lane = plan.lanes.emplace_back();
    const auto infos = cache.read_info(i);
    for (std::size_t j = 0; j < infos.size(); ++j) {
      if (rng.uniform() >= kept) continue;
      lane.keep.push_back(static_cast<std::int32_t>(j));
      lane.log_weight.push_back(rng.uniform() < 0.3 ? static_cast<float>(rng.uniform()) : 0.0f);
      lane.move_to.push_back(infos[j].position + (rng.uniform() < 0.2 ? 0.5f : 0.0f));
    }
    for (Index j = 0; j < added; ++j) {
      const auto begin = static_cast<std::int32_t>(cache.source_tokens() * j / added);
      lane.add.info.push_back({.position = static_cast<float>(begin) + 0.25f,
                               .log_weight = static_cast<float>(rng.uniform()),
                               .span = {begin, begin + 1},
                               .kind = EntryKind::summary});
    }
    lane.add.keys = random_floats(added * dim, rng);
    lane.add.values = random_floats(added * dim, rng);
  }
  return plan;
}

// Formats at random, half of them `likely`: one for the lane, sometimes one for each kept entry.
inline void random_formats(LanePlan& lane, Format likely, Rng& rng) {
  const auto draw = [&] {
    return rng.below(2) ? likely
                        : static_cast<Format>(rng.below(static_cast<Index>(kLastFormat) + 1));
  };
  lane.format = draw();
  if (rng.below(2))
    for (std::size_t j = 0; j < lane.keep.size(); ++j) lane.formats.push_back(draw());
}

struct Reference {
  std::vector<double> out;      // [T, Hq, D]
  std::vector<double> weights;  // [T, Hq, n of the lane, at most max_n]
  Index max_n = 0;
};

// What attend() must compute, as written in cache/attention.h.
inline Reference attend_slowly(const AttentionOptions& options, const AttentionJob& job) {
  const Cache& cache = *job.cache;
  const Shape& shape = cache.shape();
  const Index dim = shape.head_dim, heads = options.query_heads, group = heads / shape.kv_heads;
  Reference result;
  for (Index head = 0; head < shape.kv_heads; ++head)
    result.max_n = std::max(result.max_n, cache.size(shape.lane(options.layer, head)));
  result.out.resize(static_cast<std::size_t>(job.tokens * heads * dim));
  result.weights.resize(static_cast<std::size_t>(job.tokens * heads * result.max_n));
  for (Index head = 0; head < shape.kv_heads; ++head) {
    const Index lane = shape.lane(options.layer, head), n = cache.size(lane),
                window = shape.window(options.layer);
    std::vector<float> keys(static_cast<std::size_t>(n * dim)), values(keys);
    cache.read_keys(lane, keys);
    cache.read_values(lane, values);
    const auto infos = cache.read_info(lane);
    for (Index t = 0; t < job.tokens; ++t)
      for (Index g = 0; g < group; ++g) {
        const Index row = t * heads + head * group + g;
        const float* q = job.queries.data() + row * dim;
        double* weights = result.weights.data() + row * result.max_n;
        double top = -std::numeric_limits<double>::infinity(), sum = 0;
        for (Index j = 0; j < n; ++j) {
          const EntryInfo& info = infos[static_cast<std::size_t>(j)];
          const bool seen =
              j < n - (job.tokens - 1 - t) &&
              (window == 0 || static_cast<double>(info.position) >
                                  static_cast<double>(job.first_position + t - window));
          double logit = 0;
          for (Index d = 0; d < dim; ++d)
            logit += double{q[d]} * double{keys[static_cast<std::size_t>(j * dim + d)]};
          weights[j] = seen ? logit * double{options.scale} + double{info.log_weight}
                            : -std::numeric_limits<double>::infinity();
          top = std::max(top, weights[j]);
        }
        for (Index j = 0; j < n; ++j)
          sum += weights[j] = std::isinf(top) ? 0 : std::exp(weights[j] - top);
        for (Index j = 0; j < n && sum > 0; ++j) {
          weights[j] /= sum;
          for (Index d = 0; d < dim; ++d)
            result.out[static_cast<std::size_t>(row * dim + d)] +=
                weights[j] * double{values[static_cast<std::size_t>(j * dim + d)]};
        }
      }
  }
  return result;
}

}  // namespace pith::cache::testing
