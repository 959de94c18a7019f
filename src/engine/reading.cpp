#include "engine/reading.h"

#include <utility>

#include "base/error.h"
#include "base/stopwatch.h"
#include "engine/calibration/budgets.h"
#include "engine/learned/encoder.h"
#include "engine/signals/collect.h"
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

}  // namespace pith
