#include "engine/learned/learned_entries.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "engine/signals/replay.h"

namespace pith {
namespace {

// What a lane keeps, as the plan leaves it.
PastLane read_kept(const cache::Cache& cache, Index lane, const cache::LanePlan& plan) {
  const Index D = cache.shape().head_dim, n = cache.size(lane);
  std::vector<float> keys(static_cast<std::size_t>(n * D)), values(keys.size());
  cache.read_keys(lane, keys);
  cache.read_values(lane, values);
  const auto info = cache.read_info(lane);
  PastLane out;
  for (const Index j : plan.keep) {
    out.keys.insert(out.keys.end(), keys.begin() + j * D, keys.begin() + (j + 1) * D);
    out.values.insert(out.values.end(), values.begin() + j * D, values.begin() + (j + 1) * D);
    out.log_weights.push_back(info[static_cast<std::size_t>(j)].log_weight);
    out.positions.push_back(info[static_cast<std::size_t>(j)].position);
  }
  if (!plan.keys.empty()) out.keys = plan.keys;
  if (!plan.values.empty()) out.values = plan.values;
  if (!plan.log_weight.empty()) out.log_weights = plan.log_weight;
  return out;
}

PastLanes read_lanes(const cache::Cache& cache, const cache::Plan& plan) {
  PastLanes lanes;
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane)
    lanes.push_back(read_kept(cache, lane, plan.lanes[static_cast<std::size_t>(lane)]));
  return lanes;
}

// The lesson of a step: every round takes each once.
std::size_t lesson_of(Index step, Index lessons, std::uint64_t seed) {
  std::vector<std::size_t> order(static_cast<std::size_t>(lessons));
  std::iota(order.begin(), order.end(), std::size_t{0});
  Rng rng(seed * 1000003 + static_cast<std::uint64_t>(step / lessons));
  rng.shuffle(order);
  return order[static_cast<std::size_t>(step % lessons)];
}

}  // namespace

std::vector<Lesson> repetitions(const Context& whole, const LessonOptions& options) {
  Engine& engine = whole.engine();
  const auto total = std::ssize(whole.tokens());
  const ReplayOptions replay{.prefix_tokens = options.prefix_tokens,
                             .answer_prompt = options.answer_prompt};
  std::vector<Lesson> lessons;
  const Index stride = std::max<Index>(options.length / 2, 1);
  for (Index begin = options.prefix_tokens; begin < total; begin += stride) {
    const Index end = std::min(begin + options.length, total);
    const ReplayChunk chunk = replay_chunk(engine, whole.tokens(), begin, end, replay);
    Lesson lesson;
    lesson.tokens.assign(chunk.tokens.begin(), chunk.tokens.end() - 1);
    lesson.targets.resize(lesson.tokens.size());
    const auto first = lesson.targets.size() - static_cast<std::size_t>(end - begin);
    if (options.teacher == 0) {
      for (std::size_t i = first; i < lesson.targets.size(); ++i)
        lesson.targets[i] = {{chunk.tokens[i + 1], 1}};
    } else {
      Context fork = whole.fork();
      fork.read_states(lesson.tokens, [&](Index row, std::span<const float> states) {
        auto likeliest = likeliest_tokens(engine.model(), states, options.teacher,
                                          engine.options().numerics, engine.pool());
        for (std::size_t i = 0; i < likeliest.size(); ++i)
          if (const auto at = static_cast<std::size_t>(row) + i; at >= first)
            lesson.targets[at] = std::move(likeliest[i]);
      });
    }
    lessons.push_back(std::move(lesson));
    if (end == total) break;
  }
  return lessons;
}

LearnedEntries::LearnedEntries(Engine& engine, const cache::Cache& cache, const cache::Plan& plan,
                               Index trained_from, Index position)
    : engine_(engine),
      depth_(cache.shape().head_dim),
      position_(position),
      lanes_(read_lanes(cache, plan)),
      pass_(engine.model(), lanes_, engine.config().layer_count(), true, engine.options().numerics,
            engine.pool()) {
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane) {
    const auto& keep = plan.lanes[static_cast<std::size_t>(lane)].keep;
    auto& trained = trained_.emplace_back();
    if (cache.shape().window(lane / cache.shape().kv_heads) > 0) continue;
    const auto info = cache.read_info(lane);
    for (std::size_t i = 0; i < keep.size(); ++i)
      if (info[static_cast<std::size_t>(keep[i])].span.begin >= trained_from)
        trained.push_back(static_cast<Index>(i));
  }
}

// Calls body(row of D numbers) for every key and then every value that is trained.
template <typename Lanes, typename Body>
void LearnedEntries::each(Lanes& lanes, Body&& body) const {
  for (std::size_t lane = 0; lane < trained_.size(); ++lane)
    for (auto* rows : {&lanes[lane].keys, &lanes[lane].values})
      for (const Index i : trained_[lane])
        body(std::span(*rows).subspan(static_cast<std::size_t>(i * depth_),
                                      static_cast<std::size_t>(depth_)));
}

std::vector<float> LearnedEntries::weights() const {
  std::vector<float> out;
  each(lanes_, [&](auto row) { out.insert(out.end(), row.begin(), row.end()); });
  return out;
}

void LearnedEntries::set(std::span<const float> weights) {
  auto from = weights.begin();
  each(lanes_, [&](auto row) {
    std::copy_n(from, row.size(), row.begin());
    from += static_cast<std::ptrdiff_t>(row.size());
  });
}

float LearnedEntries::forward(const Lesson& lesson) {
  std::vector<Index> positions(lesson.tokens.size());
  std::iota(positions.begin(), positions.end(), position_);
  pass_.forward(token_embeddings(engine_.model(), lesson.tokens), positions);
  gradient_.resize(pass_.hidden().size());
  const TokenLoss loss = token_loss(engine_.model(), pass_.hidden(), lesson.targets, gradient_,
                                    engine_.options().numerics, engine_.pool());
  return static_cast<float>(loss.loss);
}

Index LearnedEntries::size() const {
  Index entries = 0;
  for (const auto& lane : trained_) entries += std::ssize(lane);
  return entries;
}

std::vector<float> LearnedEntries::backward() {
  PastGradients lanes;
  pass_.backward({}, gradient_, {.past = &lanes});
  std::vector<float> out;
  each(lanes, [&](auto row) { out.insert(out.end(), row.begin(), row.end()); });
  return out;
}

void LearnedEntries::write(cache::Plan& plan) const {
  for (std::size_t lane = 0; lane < trained_.size(); ++lane) {
    if (trained_[lane].empty()) continue;
    plan.lanes[lane].keys = lanes_[lane].keys;
    plan.lanes[lane].values = lanes_[lane].values;
  }
}

TrainingReport learn(LearnedEntries& entries, const std::vector<Lesson>& lessons,
                     const LearningOptions& options, const OnStep& on_step,
                     const Checkpoint& checkpoint) {
  PITH_CHECK(!lessons.empty(), "something to learn from");
  const std::vector<float> start = entries.weights();
  TrainingReport report{.steps = options.steps};
  TrainingState state;
  if (checkpoint.state) {
    state = *checkpoint.state;
    if (state.numbers.size() != start.size())
      fail(ErrorCode::bad_input, "the kept state of a training is of other entries");
  } else {
    state.numbers = start;
    state.adam = Adam(start.size());
    state.first_loss = entries.forward(lessons.front());
  }
  report.first_loss = report.last_loss = state.first_loss;
  CheckpointClock clock(checkpoint, state.step);
  const auto give_up = [&] {
    entries.set(start);
    return report;
  };
  for (;; ++state.step) {
    entries.set(state.numbers);
    const bool ends = state.step >= options.steps;
    state.last_loss = entries.forward(
        ends ? lessons.front() : lessons[lesson_of(state.step, std::ssize(lessons), options.seed)]);
    report.diverged = !std::isfinite(state.last_loss);
    if (report.diverged) report.last_loss = state.last_loss;
    if (report.diverged || (on_step && !on_step(state.step, options.steps, state.last_loss)))
      return give_up();
    clock.tell(state, ends);
    if (ends) break;
    const double left = 1 - static_cast<double>(state.step) / static_cast<double>(options.steps);
    state.adam.step(entries.backward(), options.learning_rate * left, state.numbers);
  }
  report.last_loss = state.last_loss;
  return report;
}

}  // namespace pith
