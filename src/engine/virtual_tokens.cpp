#include "engine/virtual_tokens.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "engine/pooling.h"
#include "kernels/linear.h"

namespace pith {
namespace {

// What stands in the cache for one turn, read out of it.
struct TurnEntries {
  RowEntries rows;  // [L][N, Hkv, D]: the turn's own
  PastLanes past;   // what was there before
};

TurnEntries read_out(const cache::Cache& cache, Index tokens) {
  const cache::Shape& shape = cache.shape();
  const Index D = shape.head_dim, H = shape.kv_heads;
  TurnEntries out;
  for (Index layer = 0; layer < shape.layers; ++layer) {
    auto& keys = out.rows.keys.emplace_back(static_cast<std::size_t>(tokens * H * D));
    auto& values = out.rows.values.emplace_back(keys.size());
    for (Index head = 0; head < H; ++head) {
      const Index lane = shape.lane(layer, head), n = cache.size(lane), before = n - tokens;
      PastLane past;
      past.keys.resize(static_cast<std::size_t>(n * D));
      past.values.resize(past.keys.size());
      cache.read_keys(lane, past.keys);
      cache.read_values(lane, past.values);
      for (Index t = 0; t < tokens; ++t)
        for (Index i = 0; i < D; ++i) {
          const auto to = static_cast<std::size_t>((t * H + head) * D + i),
                     from = static_cast<std::size_t>((before + t) * D + i);
          keys[to] = past.keys[from];
          values[to] = past.values[from];
        }
      past.keys.resize(static_cast<std::size_t>(before * D));
      past.values.resize(past.keys.size());
      const auto info = cache.read_info(lane);
      for (Index j = 0; j < before; ++j) {
        past.log_weights.push_back(info[static_cast<std::size_t>(j)].log_weight);
        past.positions.push_back(info[static_cast<std::size_t>(j)].position);
      }
      out.past.push_back(std::move(past));
    }
  }
  return out;
}

class Optimisation {
 public:
  Optimisation(Engine& engine, const TurnEntries& turn, std::vector<TokenRange> chunks,
               std::span<const float> surprisal, const VirtualOptions& options)
      : options_(options),
        chunks_(std::move(chunks)),
        pass_(engine.model(), turn.past, engine.config().layer_count(), false, engine.pool()) {
    const Index width = engine.config().kv_heads * engine.config().head_dim;
    for (std::size_t l = 0; l < turn.rows.values.size(); ++l) {
      values_.push_back(target(turn.rows.values[l], width, surprisal));
      if (options.loss == VirtualLoss::keys_and_values)
        keys_.push_back(target(turn.rows.keys[l], width, surprisal));
    }
  }

  // Runs the pass and returns the loss; the gradient of entries is kept for backward().
  float forward(std::span<const float> embeddings, std::span<const Index> positions) {
    pass_.forward(embeddings, positions);
    gradients_ = {};
    float loss = distance(pass_.entries().values, values_, gradients_.values);
    if (!keys_.empty()) loss += distance(pass_.entries().keys, keys_, gradients_.keys);
    return loss;
  }
  std::span<const float> backward() { return pass_.backward(gradients_, {}); }
  const RowEntries& entries() const { return pass_.entries(); }
  const std::vector<TokenRange>& chunks() const { return chunks_; }

 private:
  struct Target {
    std::vector<float> rows;  // [n_v, Hkv * D]
    float scale = 1;          // 1 / max(mean square, 1e-8)
  };

  Target target(std::span<const float> rows, Index width, std::span<const float> surprisal) const {
    Target out;
    double squares = 0;
    for (const TokenRange& chunk : chunks_) {
      const auto part = surprisal.subspan(static_cast<std::size_t>(chunk.begin),
                                          static_cast<std::size_t>(chunk.end - chunk.begin));
      const std::vector<float> even(part.size(), 1 / static_cast<float>(part.size()));
      const auto row = pooled(rows, width, chunk,
                              options_.pooling == Pooling::mean ? even : surprisal_weights(part));
      for (float x : row) squares += double{x} * x;
      out.rows.insert(out.rows.end(), row.begin(), row.end());
    }
    const double mean = squares / static_cast<double>(out.rows.size());
    out.scale = static_cast<float>(1 / std::max(mean, 1e-8));
    return out;
  }

  // Sum over layers of the mean squared error, relative to the target's mean square.
  static float distance(const std::vector<std::vector<float>>& rows,
                        const std::vector<Target>& targets,
                        std::vector<std::vector<float>>& gradients) {
    double loss = 0;
    for (std::size_t l = 0; l < targets.size(); ++l) {
      const auto& goal = targets[l].rows;
      auto& gradient = gradients.emplace_back(goal.size());
      const float factor = 2 * targets[l].scale / static_cast<float>(goal.size());
      double squares = 0;
      for (std::size_t i = 0; i < goal.size(); ++i) {
        const float error = rows[l][i] - goal[i];
        squares += double{error} * error;
        gradient[i] = factor * error;
      }
      loss += squares / static_cast<double>(goal.size()) * double{targets[l].scale};
    }
    return static_cast<float>(loss);
  }

  const VirtualOptions& options_;
  std::vector<TokenRange> chunks_;
  GradientPass pass_;
  std::vector<Target> values_, keys_;  // [L]
  RowEntries gradients_;
};

// The plain mean of the input embeddings of every chunk, and the noise of the seed.
std::vector<float> initial_embeddings(const Engine& engine, std::span<const Token> turn,
                                      const std::vector<TokenRange>& chunks, Index number,
                                      const VirtualOptions& options) {
  const auto& config = engine.config();
  const auto width = static_cast<std::size_t>(config.width);
  std::vector<float> rows(turn.size() * width), out;
  for (std::size_t t = 0; t < turn.size(); ++t)
    dequantize(engine.model().embedding(), turn[t], 0, config.width,
               std::span(rows).subspan(t * width, width));
  for (float& x : rows) x *= config.embedding_scale;
  for (const TokenRange& chunk : chunks) {
    const auto size = static_cast<std::size_t>(chunk.end - chunk.begin);
    const std::vector<float> even(size, 1 / static_cast<float>(size));
    const auto mean = pooled(rows, config.width, chunk, even);
    out.insert(out.end(), mean.begin(), mean.end());
  }
  Rng rng(options.seed * 100003 + static_cast<std::uint64_t>(number));
  if (options.noise > 0)
    for (float& x : out) x += static_cast<float>(options.noise * rng.normal());
  return out;
}

// Keeps all but the turn's entries and adds those of the optimised embeddings.
cache::Plan replacement(const cache::Cache& cache, Index tokens, Index first_token,
                        const std::vector<TokenRange>& chunks, std::span<const Index> positions,
                        const RowEntries& entries) {
  const cache::Shape& shape = cache.shape();
  const Index D = shape.head_dim, H = shape.kv_heads;
  cache::Plan plan;
  for (Index lane = 0; lane < shape.lanes(); ++lane) {
    auto& own = plan.lanes.emplace_back();
    for (Index j = 0; j < cache.size(lane) - tokens; ++j)
      own.keep.push_back(static_cast<std::int32_t>(j));
    const auto layer = static_cast<std::size_t>(lane / H);
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      own.add.info.push_back({.position = static_cast<float>(positions[i]),
                              .span = {static_cast<std::int32_t>(first_token + chunks[i].begin),
                                       static_cast<std::int32_t>(first_token + chunks[i].end)},
                              .kind = cache::EntryKind::virtual_entry});
      const Index from = (static_cast<Index>(i) * H + lane % H) * D;
      const auto& keys = entries.keys[layer];
      const auto& values = entries.values[layer];
      own.add.keys.insert(own.add.keys.end(), keys.begin() + from, keys.begin() + from + D);
      own.add.values.insert(own.add.values.end(), values.begin() + from, values.begin() + from + D);
    }
  }
  return plan;
}

}  // namespace

void Adam::step(std::span<const float> gradient, double learning_rate, std::span<float> x) {
  constexpr double kFirst = 0.9, kSecond = 0.999, kEpsilon = 1e-8;
  first_power_ *= kFirst;
  second_power_ *= kSecond;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double g = double{gradient[i]};
    first_[i] = static_cast<float>(kFirst * double{first_[i]} + (1 - kFirst) * g);
    second_[i] = static_cast<float>(kSecond * double{second_[i]} + (1 - kSecond) * g * g);
    const double mean = double{first_[i]} / (1 - first_power_);
    const double square = double{second_[i]} / (1 - second_power_);
    x[i] -= static_cast<float>(learning_rate * mean / (std::sqrt(square) + kEpsilon));
  }
}

VirtualReport read_as_virtual(Context& context, std::span<const Token> turn, Index number,
                              const VirtualOptions& options, const OnStep& on_step) {
  PITH_CHECK(!turn.empty(), "a turn has tokens");
  const auto tokens = static_cast<Index>(turn.size());
  const Index first = context.next_position(), count = virtual_count(tokens, options.ratio);
  std::vector<float> surprisal = {0};  // nothing of the turn predicts its first token
  for (float score : context.read_and_score(turn)) surprisal.push_back(-score);

  const TurnEntries entries = read_out(context.cache(), tokens);
  Optimisation optimisation(context.engine(), entries,
                            options.pooling == Pooling::equal_surprisal
                                ? equal_surprisal_chunks(surprisal, count)
                                : even_chunks(tokens, count),
                            surprisal, options);
  const auto positions = interpolated_positions(first, first + tokens - 1, count);
  std::vector<float> x =
      initial_embeddings(context.engine(), turn, optimisation.chunks(), number, options);

  VirtualReport report{.tokens = tokens,
                       .entries = tokens,
                       .steps = virtual_steps(tokens, options.steps_per_250, options.least_steps)};
  Adam adam(x.size());
  for (Index step = 0; step <= report.steps; ++step) {  // the last iterate is run, not stepped from
    report.last_loss = optimisation.forward(x, positions);
    if (step == 0) report.first_loss = report.last_loss;
    report.diverged = !std::isfinite(report.last_loss);
    if (report.diverged || (on_step && !on_step(step, report.steps, report.last_loss)))
      return report;
    if (step < report.steps) adam.step(optimisation.backward(), options.learning_rate, x);
  }
  context.cache().apply(replacement(context.cache(), tokens, first, optimisation.chunks(),
                                    positions, optimisation.entries()));
  report.entries = count;
  return report;
}

}  // namespace pith
