#include "engine/learned/virtual_tokens.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "engine/learned/cramming.h"
#include "engine/learned/exempt.h"
#include "engine/learned/pooling.h"
#include "engine/learned/turn_entries.h"

namespace pith {
namespace {

std::vector<Index> exempt_tokens(const Engine& engine, std::span<const Token> turn,
                                 const RowEntries& rows, Exempt which) {
  constexpr double kShare = 0.15;  // S2's
  if (which == Exempt::nothing) return {};
  if (which == Exempt::unlike)
    return unlike_their_neighbours(rows.values, engine.config().kv_heads, engine.config().head_dim,
                                   kShare);
  std::vector<std::string> pieces;
  for (Token token : turn) pieces.push_back(engine.tokenizer().piece(token, false));
  return of_code(pieces);
}

// Rows that stay join what was there before; of the rest the rows are left, in their order.
void set_apart(TurnEntries& turn, std::span<const Index> exempt, std::span<const Index> rest,
               Index first, const cache::Shape& shape) {
  const Index D = shape.head_dim, H = shape.kv_heads;
  for (Index lane = 0; lane < shape.lanes(); ++lane) {
    PastLane& past = turn.past[static_cast<std::size_t>(lane)];
    const auto layer = static_cast<std::size_t>(lane / H);
    for (const Index t : exempt) {
      const auto from = static_cast<std::ptrdiff_t>((t * H + lane % H) * D);
      for (const auto& [rows, to] : {std::pair(&turn.rows.keys[layer], &past.keys),
                                     std::pair(&turn.rows.values[layer], &past.values)})
        to->insert(to->end(), rows->begin() + from, rows->begin() + from + D);
      past.log_weights.push_back(0);
      past.positions.push_back(static_cast<float>(first + t));
    }
  }
  for (auto* matrix : {&turn.rows.keys, &turn.rows.values})
    for (auto& rows : *matrix) {
      std::vector<float> left;
      for (const Index t : rest)
        left.insert(left.end(), rows.begin() + t * H * D, rows.begin() + (t + 1) * H * D);
      rows = std::move(left);
    }
}

template <typename T>
std::vector<T> chosen(std::span<const T> from, std::span<const Index> indices) {
  std::vector<T> out;
  for (const Index i : indices) out.push_back(from[static_cast<std::size_t>(i)]);
  return out;
}

// That embeddings give the pooled values (and keys) of the turn.
class PooledGoal final : public VirtualGoal {
 public:
  PooledGoal(Engine& engine, const TurnEntries& turn, std::vector<TokenRange> chunks,
             std::span<const float> surprisal, const VirtualOptions& options)
      : options_(options),
        chunks_(std::move(chunks)),
        pass_(engine.model(), turn.past, engine.config().layer_count(), false,
              engine.options().numerics, engine.pool()) {
    const Index width = engine.config().kv_heads * engine.config().head_dim;
    for (std::size_t l = 0; l < turn.rows.values.size(); ++l) {
      values_.push_back(target(turn.rows.values[l], width, l, surprisal));
      if (options.loss == VirtualLoss::keys_and_values)
        keys_.push_back(target(turn.rows.keys[l], width, l, surprisal));
    }
  }

  float forward(std::span<const float> embeddings, std::span<const Index> positions) override {
    pass_.forward(embeddings, positions);
    gradients_ = {};
    float loss = distance(pass_.entries().values, values_, gradients_.values);
    if (!keys_.empty()) loss += distance(pass_.entries().keys, keys_, gradients_.keys);
    return loss;
  }
  std::span<const float> backward() override { return pass_.backward(gradients_, {}); }
  const RowEntries& entries() const override { return pass_.entries(); }

 private:
  struct Target {
    std::vector<float> rows;  // [n_v, Hkv * D]
    float scale = 1;          // 1 / max(mean square, 1e-8)
  };

  std::vector<float> weights_of(const TokenRange& chunk, std::size_t layer,
                                std::span<const float> surprisal) const {
    const auto begin = static_cast<std::size_t>(chunk.begin),
               size = static_cast<std::size_t>(chunk.end - chunk.begin);
    const std::vector<float> even(size, 1 / static_cast<float>(size));
    if (options_.pooling == Pooling::mean) return even;
    if (options_.pooling != Pooling::attention)
      return surprisal_weights(surprisal.subspan(begin, size));
    const auto part = std::span(options_.attention[layer]).subspan(begin, size);
    const float sum = std::reduce(part.begin(), part.end());
    if (!(sum > 0)) return even;
    std::vector<float> weights(part.begin(), part.end());
    for (float& w : weights) w /= sum;
    return weights;
  }

  Target target(std::span<const float> rows, Index width, std::size_t layer,
                std::span<const float> surprisal) const {
    Target out;
    double squares = 0;
    for (const TokenRange& chunk : chunks_) {
      const auto row = pooled(rows, width, chunk, weights_of(chunk, layer, surprisal));
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

// The plain mean of the input embeddings of every chunk, or what stands in its place, and the noise
// of the seed.
std::vector<float> initial_embeddings(const Engine& engine, std::span<const Token> turn,
                                      std::span<const float> surprisal,
                                      const std::vector<TokenRange>& chunks, Index number,
                                      const VirtualOptions& options) {
  const std::vector<float> rows = token_embeddings(engine.model(), turn);
  std::vector<float> out;
  if (options.start.embeddings) out = options.start.embeddings({rows, surprisal, chunks});
  if (out.empty())
    for (const TokenRange& chunk : chunks) {
      const auto size = static_cast<std::size_t>(chunk.end - chunk.begin);
      const std::vector<float> even(size, 1 / static_cast<float>(size));
      const auto mean = pooled(rows, engine.config().width, chunk, even);
      out.insert(out.end(), mean.begin(), mean.end());
    }
  Rng rng(options.seed * 100003 + static_cast<std::uint64_t>(number));
  if (options.noise > 0)
    for (float& x : out) x += static_cast<float>(options.noise * rng.normal());
  return out;
}

// Which tokens of a turn stay and which give way.
struct Parts {
  std::vector<Index> exempt, rest;
};

std::unique_ptr<VirtualGoal> goal_of(Engine& engine, const TurnEntries& entries,
                                     std::span<const Token> turn, Index first,
                                     const std::vector<TokenRange>& chunks,
                                     std::span<const float> surprisal,
                                     const VirtualOptions& options) {
  if (options.loss == VirtualLoss::tokens)
    return std::make_unique<CrammingGoal>(engine, entries.past, turn, first + std::ssize(turn));
  return std::make_unique<PooledGoal>(engine, entries, chunks, surprisal, options);
}

void tell(const TrainingState& state, const VirtualGoal& goal, VirtualReport& report) {
  report.first_loss = state.first_loss;
  report.last_loss = state.last_loss;
  report.hits = goal.hits().value_or(0);
  report.targets = goal.targets();
  report.diverged = !std::isfinite(state.last_loss);
}

// Keeps all but the turn's entries, and those of it that stay, and adds those of the optimised
// embeddings.
cache::Plan replacement(const cache::Cache& cache, Index tokens, Index first_token,
                        const Parts& parts, const std::vector<TokenRange>& chunks,
                        std::span<const Index> positions, const RowEntries& entries) {
  const cache::Shape& shape = cache.shape();
  const Index D = shape.head_dim, H = shape.kv_heads;
  cache::Plan plan;
  for (Index lane = 0; lane < shape.lanes(); ++lane) {
    auto& own = plan.lanes.emplace_back();
    for (Index j = 0; j < cache.size(lane) - tokens; ++j)
      own.keep.push_back(static_cast<std::int32_t>(j));
    for (const Index t : parts.exempt)
      own.keep.push_back(static_cast<std::int32_t>(cache.size(lane) - tokens + t));
    const auto layer = static_cast<std::size_t>(lane / H);
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      const Index begin = parts.rest[static_cast<std::size_t>(chunks[i].begin)],
                  end = parts.rest[static_cast<std::size_t>(chunks[i].end - 1)] + 1;
      own.add.info.push_back({.position = static_cast<float>(positions[i]),
                              .span = {static_cast<std::int32_t>(first_token + begin),
                                       static_cast<std::int32_t>(first_token + end)},
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

VirtualReport read_as_virtual(Context& context, std::span<const Token> turn, Index number,
                              const VirtualOptions& options, const OnStep& on_step,
                              const Checkpoint& checkpoint) {
  PITH_CHECK(!turn.empty(), "a turn has tokens");
  const auto tokens = static_cast<Index>(turn.size());
  const Index first = context.next_position();
  std::vector<float> surprisal = {0};  // nothing of the turn predicts its first token
  for (float score : context.read_and_score(turn)) surprisal.push_back(-score);

  TurnEntries entries = read_turn(context.cache(), tokens);
  Parts parts;
  parts.exempt = exempt_tokens(context.engine(), turn, entries.rows, options.exempt);
  for (Index t = 0; t < tokens; ++t)
    if (!std::binary_search(parts.exempt.begin(), parts.exempt.end(), t)) parts.rest.push_back(t);
  VirtualReport report;
  report.steps = virtual_steps(tokens, options.steps_per_250, options.least_steps);
  report.tokens = report.entries = tokens;
  if (parts.rest.empty()) return report;
  const Index left = std::ssize(parts.rest),
              count = std::clamp<Index>(
                  virtual_count(tokens, options.ratio) - std::ssize(parts.exempt), 1, left);
  VirtualOptions own = options;  // of the tokens that give way
  if (!parts.exempt.empty()) {
    set_apart(entries, parts.exempt, parts.rest, first, context.cache().shape());
    surprisal = chosen<float>(surprisal, parts.rest);
    for (auto& layer : own.attention) layer = chosen<float>(layer, parts.rest);
  }
  const auto chunks = options.pooling == Pooling::equal_surprisal
                          ? equal_surprisal_chunks(surprisal, count)
                          : even_chunks(left, count);
  const auto goal = goal_of(context.engine(), entries, turn, first, chunks, surprisal, own);
  const auto positions =
      interpolated_positions(first + parts.rest.front(), first + parts.rest.back(), count);

  TrainingState state;
  const auto width = static_cast<std::size_t>(context.engine().config().width);
  if (checkpoint.state) {
    state = *checkpoint.state;
    if (state.numbers.size() != static_cast<std::size_t>(count) * width)
      fail(ErrorCode::bad_input, "the kept state of an optimisation is of another turn");
  } else {
    state.numbers = initial_embeddings(context.engine(), chosen(turn, parts.rest), surprisal,
                                       chunks, number, options);
    state.adam = Adam(state.numbers.size());
  }
  if (options.loss == VirtualLoss::tokens) {  // the source's optimiser
    state.adam.second_decay = 0.9;
    state.adam.weight_decay = 0.01;
  }
  CheckpointClock clock(checkpoint, state.step);
  for (;; ++state.step) {  // the last iterate is run, not stepped from
    state.last_loss = goal->forward(state.numbers, positions);
    if (state.step == 0) state.first_loss = state.last_loss;
    tell(state, *goal, report);
    if (report.diverged || (on_step && !on_step(state.step, report.steps, state.last_loss)))
      return report;
    if (state.step == 0 && options.start.learn) options.start.learn(goal->backward());
    if (goal->hits() > state.best_hits) {
      state.best_hits = *goal->hits();
      state.best = state.numbers;
    }
    const bool ends = state.step >= report.steps || goal->reached();
    clock.tell(state, ends);
    if (ends) break;
    state.adam.step(goal->backward(), options.learning_rate, state.numbers);
  }
  if (!state.best.empty() && state.best != state.numbers) {
    state.last_loss = goal->forward(state.best, positions);
    tell(state, *goal, report);
  }
  context.cache().apply(
      replacement(context.cache(), tokens, first, parts, chunks, positions, goal->entries()));
  report.entries = std::ssize(parts.exempt) + count;
  return report;
}

}  // namespace pith
