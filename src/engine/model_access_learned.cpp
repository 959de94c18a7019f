// EngineAccess::learn_entries: what a plan keeps is trained on lessons about the context.
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

#include "base/error.h"
#include "engine/learned/learned_entries.h"
#include "engine/learned/training_store.h"
#include "engine/model_access.h"
#include "kernels/isa.h"

namespace pith {
namespace {

// All that decides what training comes to.
std::string name_of(const Context& context, const recipe::Signals& signals,
                    const recipe::LearnedRequest& request, const cache::Plan& plan,
                    std::span<const float> start) {
  const Engine& engine = context.engine();
  XXH3_state_t* state = XXH3_createState();
  XXH3_64bits_reset(state);
  const auto add = [&](const auto& items) {
    XXH3_64bits_update(state, items.data(), items.size() * sizeof(items[0]));
  };
  add(start);
  add(std::span(signals.answer_prompt));
  for (const auto& lane : plan.lanes) {
    add(std::span(lane.keep));
    add(std::span(lane.log_weight));
  }
  const auto hash = XXH3_64bits_digest(state);
  XXH3_freeState(state);
  return training_name(
      fmt::format("learned 3|{:x}|{}|{}|{}|{}|{}|{}|{}|{}|{:x}", engine.model().hash(),
                  engine.options().numerics == Numerics::exact, to_string(active_isa()),
                  request.steps, request.rate, request.length, request.teacher, request.seed,
                  signals.prefix_tokens, hash),
      context.tokens());
}

double entries_per_kept(const cache::Cache& cache, const cache::Plan& plan) {
  return static_cast<double>(cache.entries()) /
         static_cast<double>(std::max<Index>(plan.kept(), 1));
}

}  // namespace

void EngineAccess::learn_entries(const recipe::LearnedRequest& request, const cache::Cache& cache,
                                 cache::Plan& plan) {
  PITH_CHECK(before_ == nullptr, "what it needs is not collected turn by turn");
  Engine& engine = context_.engine();
  const Index prefix = signals_.prefix_tokens;
  LearnedEntries entries(engine, cache, plan, std::max<Index>(prefix, 1), context_.next_position());
  const std::vector<float> start = entries.weights();
  if (start.empty() || prefix >= context_.next_position()) return;
  const TrainingStore* store = engine.training_store();
  const std::string name =
      store ? name_of(context_, signals_, request, plan, start) : std::string();
  Checkpoint checkpoint;
  if (store) checkpoint = store->checkpoint(name);
  const auto lessons = repetitions(
      context_, {.prefix_tokens = prefix,
                 .length = request.length,
                 .answer_prompt = {signals_.answer_prompt.begin(), signals_.answer_prompt.end()},
                 .teacher = request.teacher});
  const TrainingReport report = learn(
      entries, lessons,
      {.steps = request.steps,
       .learning_rate = request.rate,
       .seed = static_cast<std::uint64_t>(request.seed)},
      [&](Index step, Index steps, float loss) {
        engine.check_stop();
        if (progress_) progress_(step, steps);
        if (store && store->on_step()) store->on_step()(1, 1, step, steps, loss);
        return true;
      },
      checkpoint);
  if (report.failed())
    divergence_ = {report.first_loss, report.last_loss, entries_per_kept(cache, plan)};
  if (!report.diverged) entries.write(plan);
}

}  // namespace pith
