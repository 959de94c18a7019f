#include "engine/compress.h"

#include <fmt/format.h>

#include <optional>

#include "base/error.h"
#include "base/stopwatch.h"
#include "engine/calibration/budgets.h"
#include "engine/learned/encoder.h"
#include "engine/model_access.h"
#include "engine/signals/collect.h"
#include "engine/signals/on_policy.h"
#include "engine/signals/reach.h"
#include "engine/signals/references.h"
#include "engine/signals/replay.h"
#include "engine/signals/second_pass.h"
#include "engine/signals/structure.h"
#include "recipe/scene.h"
#include "recipe/window_attention.h"

namespace pith {
namespace {

// -log p of every token; the first one, which nothing predicts, has the mean of the others.
std::vector<float> surprisals(const std::vector<float>& log_probabilities) {
  std::vector<float> out = {0};
  for (float p : log_probabilities) {
    out.push_back(-p);
    out.front() -= p / static_cast<float>(log_probabilities.size());
  }
  return out;
}

// What the last queries look at in the uncompressed context.
void measure_tail(const Context& context, Index window, recipe::Signals& signals) {
  const recipe::Scene scene(context.cache(), signals, &context.engine().pool());
  const auto group = static_cast<std::size_t>(scene.group()),
             tokens = static_cast<std::size_t>(signals.tokens);
  for (const Index lane : scene.lanes()) {
    const Index layer = lane / scene.shape().kv_heads;
    const auto columns =
        recipe::attention_columns(scene, lane, recipe::window_probe(scene, layer, window));
    auto& out = signals.layers[static_cast<std::size_t>(layer)].tail_attention;
    out.resize(static_cast<std::size_t>(scene.shape().kv_heads) * group * tokens);
    const auto head = static_cast<std::size_t>(lane % scene.shape().kv_heads);
    for (std::size_t g = 0; g < group; ++g)
      for (std::size_t j = 0; j < tokens; ++j)
        out[(head * group + g) * tokens +
            static_cast<std::size_t>(scene.info(lane)[j].span.begin)] = columns[g * tokens + j];
  }
}

}  // namespace

void measure_values(const Context& context, Index first, recipe::Signals& signals) {
  const cache::Shape& shape = context.cache().shape();
  const Index tokens = signals.tokens, count = tokens - first;
  for (Index lane = 0; lane < shape.lanes() && count > 0; ++lane) {
    const Index layer = lane / shape.kv_heads, head = lane % shape.kv_heads;
    auto& out = signals.layers[static_cast<std::size_t>(layer)].projected_values;
    out.resize(static_cast<std::size_t>(shape.kv_heads * tokens));
    if (shape.window(layer) > 0) continue;
    std::vector<float> values(
        static_cast<std::size_t>(context.cache().size(lane) * shape.head_dim));
    context.cache().read_values(lane, values);
    context.engine().projected_value_sums(
        layer, head, std::span(values).last(static_cast<std::size_t>(count * shape.head_dim)),
        std::span(out).subspan(static_cast<std::size_t>(head * tokens + first),
                               static_cast<std::size_t>(count)));
  }
}

recipe::Signals read_document(Context& context, std::span<const Token> tokens,
                              const recipe::SignalNeeds& needs, const ReadOptions& options,
                              ReadTimes* times) {
  PITH_CHECK(context.next_position() == 0, "read_document starts from an empty context");
  recipe::Signals budgets;  // looked up first: a model that is not calibrated is refused at once
  look_up_budgets(context.engine(), needs, budgets);
  encoder_hashes(context.engine(), needs);  // likewise for an encoder of another model
  context.check_room(std::ssize(tokens));
  check_reach(context.engine(), tokens, needs, options);
  const Stopwatch watch;
  SignalCollector collector(context.engine(), needs, static_cast<Index>(tokens.size()),
                            options.prefix_tokens);
  SignalCollector* observer = SignalCollector::watches(needs) ? &collector : nullptr;
  std::vector<float> surprisal;
  if (needs.surprisal)
    surprisal = surprisals(context.read_and_score(tokens, options.progress, observer));
  else
    context.read(tokens, observer, options.progress);
  recipe::Signals signals = collector.finish(context, std::move(surprisal));
  signals.budget_curves = std::move(budgets.budget_curves);
  signals.diffuseness = std::move(budgets.diffuseness);
  if (needs.structure) signals.structure = structure_of(context.engine().tokenizer(), tokens);
  if (needs.projected_values) measure_values(context, 0, signals);
  signals.prefix_tokens = options.prefix_tokens;
  signals.next_position = context.next_position();
  signals.sentence_starts = options.sentence_starts;
  signals.turn_starts = options.turn_starts;
  signals.answer_prompt = options.answer_prompt;
  if (needs.tail_attention > 0) measure_tail(context, needs.tail_attention, signals);
  if (times) times->read_seconds = watch.seconds();
  if (needs.replays()) {
    const Stopwatch replaying;
    if (needs.repeats()) replay(context, replay_options(needs, options), signals);
    for (recipe::StudySignals& study : signals.studies)
      finish_study(
          context,
          study_texts(context, options.prefix_tokens, options.answer_prompt, study.kind.seed),
          study, signals);
    if (needs.replay_gradient)
      replay(context,
             {.prefix_tokens = options.prefix_tokens,
              .chunk = kGradientChunk,
              .answer_prompt = options.answer_prompt,
              .gradients = true,
              .progress = options.replay_progress},
             signals);
    if (needs.second_pass) second_pass(context, options.replay_progress, signals);
    if (times) times->replay_seconds = replaying.seconds();
  }
  return signals;
}

void observe_question(const Context& context, std::span<const Token> question,
                      recipe::Signals& signals) {
  Context fork = context.fork();
  QueryCapture capture(context.engine(), static_cast<Index>(question.size()));
  fork.read(question, &capture);
  auto queries = capture.take(), keys = capture.take_keys();
  signals.question_tokens = static_cast<Index>(question.size());
  signals.layers.resize(queries.size());
  for (std::size_t l = 0; l < queries.size(); ++l) {
    signals.layers[l].question_queries = std::move(queries[l]);
    signals.layers[l].question_keys = std::move(keys[l]);
  }
}

void refuse_routing_again(const recipe::Recipe& recipe) {
  if (recipe.again_every() > 0)
    fail(ErrorCode::bad_recipe,
         fmt::format("{}: it routes again after every {} tokens of an answer, which only pith run "
                     "(schedule prefill) and pith eval do; leave out reroute",
                     recipe.name(), recipe.again_every()));
}

CompressionReport compress(Context& context, const recipe::Recipe& recipe,
                           const recipe::Signals& signals, const Progress& progress) {
  refuse_routing_again(recipe);
  return compress_once(context, recipe, signals, progress);
}

namespace {

void apply_stages(Context& context, const recipe::Recipe& recipe, const recipe::Signals& signals,
                  EngineAccess& model) {
  recipe::Signals renewed;  // what later stages see once the newest turns were read anew
  for (Index stage = 0; stage < recipe.stages(); ++stage) {
    const bool again = !model.tail_queries().empty();
    if (again && renewed.tokens == 0) {
      renewed = signals;
      model.renew_window(renewed);
    }
    const recipe::Signals& seen = again ? renewed : signals;
    context.cache().apply(
        recipe.fit_blocks(stage) > 0
            ? plan_on_policy(context, recipe, stage, seen, &model)
            : recipe.plan(stage, context.cache(), seen, &context.engine().pool(), &model));
  }
}

}  // namespace

CompressionReport compress_once(Context& context, const recipe::Recipe& recipe,
                                const recipe::Signals& signals, const Progress& progress) {
  const Stopwatch watch;
  CompressionReport report;
  report.entries_before = context.cache().entries();
  report.bytes_before = context.cache().bytes().total();
  report.full_bytes = context.cache().full_bytes();
  EngineAccess model(context, signals, progress);
  std::optional<cache::Cache> before;  // to go back to where a later stage cannot be met
  if (recipe.stages() > 1) before = context.cache().fork();
  try {
    apply_stages(context, recipe, signals, model);
  } catch (...) {
    if (before) context.cache() = std::move(*before);
    throw;
  }
  report.entries_after = context.cache().entries();
  report.bytes_after = context.cache().bytes().total();
  report.seconds = watch.seconds();
  if (const auto& lost = model.divergence())
    report.note = fmt::format(
        "an optimisation went from a loss of {:.3g} to {:.3g}; where that is no number, entries "
        "stay as they were before it: take fewer steps or a smaller lr",
        lost->first_loss, lost->last_loss);
  return report;
}

}  // namespace pith
