#include "eval/document_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/stopwatch.h"
#include "engine/calibration/calibration.h"
#include "engine/conversation/turn_reading.h"
#include "engine/guard/span_replay.h"
#include "engine/keeper.h"
#include "engine/learned/encoder.h"
#include "engine/reading.h"
#include "engine/rerouting.h"
#include "eval/judge.h"
#include "eval/survival.h"
#include "kernels/isa.h"
#include "recipe/budget.h"

namespace pith::eval {
namespace {

// Adds the time from here to the end of its scope to a sum.
class Timed {
 public:
  explicit Timed(double& sum) : sum_(sum) {}
  ~Timed() { sum_ += watch_.seconds(); }

 private:
  double& sum_;
  Stopwatch watch_;
};

// The largest twin that takes at most these bytes.
recipe::Recipe twin_in(Index bytes, const Twin& twin) {
  // A binary fraction, so exactly these bytes.
  return recipe::Recipe::parse(
      fmt::format("{} @ {}KiB", twin.recipe, static_cast<double>(bytes) / 1024));
}

}  // namespace

// A compressed cache, ready to be asked.
struct DocumentRunner::Arm {
  Index group;
  Context context;
  CompressionReport report;
  HeldTokens held;
  std::optional<SpanDamage> check;
};

// A question that waits for its answer. Asks of one group follow each other and share their arm.
struct DocumentRunner::Ask {
  std::shared_ptr<const recipe::Recipe> recipe;
  Schedule schedule;
  ArmLabel label;
  Index group;
  const Item* item;
  bool replays = false;  // the arm's own recipe, not what the guard made of it
  double guard_s = 0;
  // Of its arm, from when it was begun:
  CompressionReport report = {};
  Survival answer_source = {}, support_source = {};
  std::optional<SpanDamage> check = {};
};

// A document, read once: all arms begin from a fork of it.
struct DocumentRunner::Reading {
  const std::string& suite;
  const Document& document;
  std::string text_hash;
  std::span<const Item> items;
  const DocumentPrompt& prompt;
  SourceTokens source;  // of the document's text
  bool with_question;   // the text ends in the only item's question
  Context whole;
  recipe::Signals signals;
  const Item* observed = nullptr;  // whose question the signals tell of
  ReadTimes times;
  std::optional<SpanReplay> sample = {};  // what caches are checked by

  std::vector<Token> question(const Item& item) const {
    return with_question ? prompt.suffix() : prompt.question(item.question);
  }
};

std::string settings_of(const Engine& engine, const RunConfig& config) {
  // Neither the number of documents nor the recipes: more of them go on from what is there.
  return fmt::format("{}|{:x}|{}|{}|{}|{}|{}", kAnswersVersion, engine.model().hash(),
                     engine.options().numerics == Numerics::exact, to_string(active_isa()),
                     config.suite.tokens, config.suite.seed, config.question_aware);
}

DocumentRunner::DocumentRunner(std::shared_ptr<Engine> engine, const RunConfig& config,
                               PredictionLog& log, DocumentListener listener)
    : engine_(std::move(engine)),
      config_(config),
      settings_(settings_of(*engine_, config)),
      arms_(all_arms(config)),
      arm_count_(arm_count(config)),
      log_(log),
      listener_(std::move(listener)) {
  if (!engine_->options().ignore_batch_size)
    fail(
        ErrorCode::bad_input,
        "a run needs an engine whose answers do not depend on what is decoded beside them; load it "
        "with load_for(config), or with ignore_batch_size");
  for (const RunArm& arm : arms_) {
    const recipe::Recipe& recipe = arm.recipe;
    if (recipe.risk()) guards_.emplace(recipe.to_string(), Guard(*engine_, recipe));
    std::string& inputs = inputs_[label_of(arm).canonical];
    if (recipe.risk()) inputs += "|" + guards_.at(recipe.to_string()).fingerprint();
    inputs += looked_up_hash(*engine_, recipe.needs()) + encoder_hashes(*engine_, recipe.needs());
  }
}

std::string DocumentRunner::key(const Reading& reading, const ArmLabel& label) const {
  const auto inputs = inputs_.find(label.twin.empty() ? label.canonical : label.twin_of);
  PITH_CHECK(inputs != inputs_.end(), "an arm of this run");
  return hash_of(fmt::format("{}|{}|{}|{}|{}{}", settings_, reading.suite, reading.document.id,
                             reading.text_hash, label.canonical, inputs->second));
}

std::vector<const Item*> DocumentRunner::missing(const Reading& reading,
                                                 const ArmLabel& label) const {
  const std::string arm = key(reading, label);
  std::vector<const Item*> items;
  for (const auto& item : reading.items)
    if (!log_.has(arm, item.id)) items.push_back(&item);
  return items;
}

// Over all arms.
Index DocumentRunner::missing(const Reading& reading) const {
  Index count = 0;
  for (const RunArm& arm : arms_) {
    count += std::ssize(missing(reading, label_of(arm)));
    if (config_.twins && has_twins(arm))
      for (const Twin& twin : kTwins) count += std::ssize(missing(reading, label_of(twin, arm)));
  }
  return count;
}

bool DocumentRunner::run(const std::string& suite, const Document& document) {
  std::string text = document.system + '\0' + document.text;
  for (const auto& item : document.items)
    text += fmt::format("{}{}{}{}{}{}", '\0', item.question, '\0', item.answer_prefix,
                        item.max_tokens, judging_of(suite, item));
  const std::string hash = hash_of(text);
  if (!config_.question_aware) {
    const DocumentPrompt prompt(*engine_, document.text, document.system, document.turns);
    Reading reading{.suite = suite,
                    .document = document,
                    .text_hash = hash,
                    .items = document.items,
                    .prompt = prompt,
                    .source = {engine_->tokenizer(), document.text, prompt.prefix_tokens()},
                    .with_question = false,
                    .whole = Context(engine_),
                    .signals = {},
                    .times = {}};
    return run_reading(reading);
  }
  // Every item reads its own document with the question behind it, as kvpress' question-aware mode
  // does.
  bool any = false;
  for (std::size_t i = 0; i < document.items.size(); ++i) {
    const DocumentPrompt prompt(*engine_, document.text + "\n\n" + document.items[i].question,
                                document.system, document.turns);
    Reading reading{.suite = suite,
                    .document = document,
                    .text_hash = hash,
                    .items = std::span(document.items).subspan(i, 1),
                    .prompt = prompt,
                    .source = {engine_->tokenizer(), document.text, prompt.prefix_tokens()},
                    .with_question = true,
                    .whole = Context(engine_),
                    .signals = {},
                    .times = {}};
    any |= run_reading(reading);
  }
  return any;
}

bool DocumentRunner::run_reading(Reading& reading) {
  const Index left = missing(reading);
  summary_.skipped += arm_count_ * std::ssize(reading.items) - left;
  if (left == 0) return false;
  read(reading);
  ask_arms(reading);
  if (config_.twins) ask_twins(reading);
  return true;
}

Progress DocumentRunner::told(const std::string& doing) const {
  if (!listener_.on_step) return {};
  return [this, doing](Index step, Index steps) { listener_.on_step(doing, step, steps); };
}

void DocumentRunner::read(Reading& reading) {
  recipe::SignalNeeds needs;
  for (const RunArm& arm : arms_) {
    if (!arm.once() || missing(reading, label_of(arm)).empty()) continue;
    try {
      needs |= arm.recipe.needs();
    } catch (const Error& error) {
      fail(error.code(),
           fmt::format("{} beside the recipes before it: {}", arm.name(), error.what()));
    }
  }
  ReadOptions options = reading.prompt.read_options();
  options.progress = told("reading");
  options.replay_progress = told("replaying");
  reading.signals =
      read_document(reading.whole, reading.prompt.context(), needs, options, &reading.times);
  summary_.read_s += reading.times.read_seconds;
  summary_.replay_s += reading.times.replay_seconds;
  if (any_to_check(reading)) draw_sample(reading);
  ++summary_.documents;
}

bool DocumentRunner::any_to_check(const Reading& reading) const {
  return config_.check && std::ranges::any_of(arms_, [&](const RunArm& arm) {
           return is_checkable(arm.recipe) && !missing(reading, label_of(arm)).empty();
         });
}

// Where the model's range has no room for it, caches go unchecked.
void DocumentRunner::draw_sample(Reading& reading) {
  const Timed timed(summary_.read_s);
  try {
    reading.sample.emplace(
        reading.whole, even_weights(reading.whole),
        SampleOptions{.reading = reading.prompt.read_options(), .most = kCheckedSpans});
  } catch (const Error& error) {
    if (error.code() != ErrorCode::bad_input) throw;
    summary_.notes.push_back(
        fmt::format("the caches of {} are not checked: {}", reading.document.id, error.what()));
  }
}

void DocumentRunner::ask_arms(Reading& reading) {
  std::vector<Ask> asks;
  Index group = 0;
  const auto add = [&](const RunArm& arm, const Item& item) {
    asks.push_back({.recipe = std::make_shared<recipe::Recipe>(arm.recipe),
                    .schedule = arm.schedule,
                    .label = label_of(arm),
                    .group = group,
                    .item = &item,
                    .replays = arm.once() && arm.recipe.needs().replays()});
  };
  for (const RunArm& arm : arms_) {
    if (arm.once() && arm.recipe.sees_question()) continue;
    const auto items = missing(reading, label_of(arm));
    for (const Item* item : items) add(arm, *item);
    ++group;
    const auto guard = guards_.find(arm.recipe.to_string());
    if (guard == guards_.end() || items.empty() || !arm.once()) continue;
    const GuardChoice choice =
        guard->second.choose(reading.whole, reading.signals, reading.prompt.read_options());
    summary_.compress_s += choice.seconds;
    const auto chosen = std::make_shared<recipe::Recipe>(choice.recipe);
    for (auto ask = asks.end() - std::ssize(items); ask != asks.end(); ++ask) {
      ask->recipe = chosen;
      ask->guard_s = choice.seconds;
    }
  }
  // Recipes that look at the question compress anew for each; it is read once for all of them.
  for (const auto& item : reading.items)
    for (const RunArm& arm : arms_) {
      if (!arm.once() || !arm.recipe.sees_question() ||
          log_.has(key(reading, label_of(arm)), item.id))
        continue;
      add(arm, item);
      ++group;
    }
  answer(reading, asks);
}

// The arms themselves are answered by now, so that the log knows their bytes.
void DocumentRunner::ask_twins(Reading& reading) {
  std::vector<Ask> asks;
  Index group = 0;
  for (const RunArm& arm : arms_) {
    if (!has_twins(arm)) continue;
    const std::string of = key(reading, label_of(arm));
    for (const Twin& twin : kTwins) {
      const ArmLabel label = label_of(twin, arm);
      std::map<Index, std::vector<const Item*>> by_bytes;
      for (const Item* item : missing(reading, label))
        by_bytes[log_.cache_bytes(of, item->id)].push_back(item);
      for (const auto& [bytes, items] : by_bytes) {
        const auto applied = std::make_shared<recipe::Recipe>(twin_in(bytes, twin));
        for (const Item* item : items) asks.push_back({applied, {}, label, group, item});
        ++group;
      }
    }
  }
  answer(reading, asks);
}

DocumentRunner::Arm DocumentRunner::make_arm(Reading& reading, const Ask& ask) {
  Arm arm = compress_arm(reading, ask);
  if (reading.sample && is_checkable(*ask.recipe)) {
    const Timed timed(summary_.check_s);
    arm.check = reading.sample->compare(arm.context);
  }
  return arm;
}

DocumentRunner::Arm DocumentRunner::compress_arm(Reading& reading, const Ask& ask) {
  if (ask.recipe->sees_question() && reading.observed != ask.item) {
    const Timed timed(summary_.read_s);
    observe_question(reading.whole, reading.question(*ask.item), reading.signals);
    reading.observed = ask.item;
  }
  const Timed timed(summary_.compress_s);
  const bool once = ask.schedule.when == When::prefill;
  Context context = once ? reading.whole.fork() : Context(engine_);
  CompressionReport report;
  try {
    report = once ? compress_once(context, *ask.recipe, reading.signals)
                  : read_scheduled(reading, ask, context);
    if (ask.recipe->again_every() > 0) report.cold_bytes = reading.whole.cache().bytes().total();
  } catch (const Error& error) {
    fail(error.code(),
         fmt::format("{} on {}: {}", ask.label.recipe, reading.document.id, error.what()));
  }
  report.seconds += ask.guard_s;
  if (!report.note.empty())
    summary_.notes.push_back(
        fmt::format("{} on {}: {}", ask.label.recipe, reading.document.id, report.note));
  ++summary_.arms;
  HeldTokens held(context.cache(), std::ssize(reading.prompt.context()));
  return {ask.group, std::move(context), report, std::move(held), {}};
}

// Under a schedule that compresses on the way nothing can be shared: the document is read anew.
CompressionReport DocumentRunner::read_scheduled(const Reading& reading, const Ask& ask,
                                                 Context& context) {
  const auto& tokens = reading.prompt.context();
  ReadOptions options = reading.prompt.read_options();
  options.progress = told("reading");
  if (ask.schedule.when == When::turn)
    return read_turn_by_turn(context, tokens, *ask.recipe, options);
  if (ask.schedule.when == When::again)
    return read_turns_again(context, tokens, *ask.recipe, options);
  return read_in_chunks(context, tokens, *ask.recipe, ask.schedule.value, options).report;
}

GenerateJob DocumentRunner::begin(Reading& reading, Ask& ask, const Arm& arm) {
  ask.report = arm.report;
  ask.answer_source = arm.held.of(reading.source.overlapping(answer_spans(*ask.item)));
  ask.support_source = arm.held.of(reading.source.overlapping(ask.item->support));
  ask.check = arm.check;
  GenerateJob job{arm.context.fork(), {.max_tokens = ask.item->max_tokens}};
  std::vector<Token> tokens = reading.question(*ask.item);
  const auto prefix = engine_->tokenizer().encode(ask.item->answer_prefix);
  tokens.insert(tokens.end(), prefix.begin(), prefix.end());
  if (ask.recipe->again_every() > 0)
    job.renew = [&reading, rerouting = std::make_shared<Rerouting>(reading.whole, *ask.recipe,
                                                                   reading.signals, tokens)](
                    Context& context, std::span<const Token> written) {
      if (!rerouting->due(std::ssize(written))) return false;
      reading.observed = nullptr;
      context = rerouting->again(written);
      return true;
    };
  const Timed timed(summary_.answer_s);
  job.context.read(tokens);
  return job;
}

// All that wait, those of different arms together. An arm is made when the first of its asks
// begins, and goes when the next one is made.
void DocumentRunner::answer(Reading& reading, std::vector<Ask>& asks) {
  std::optional<Arm> arm;
  summary_.answer_s += generate_all(
      config_.together,
      [&](Index i) -> std::optional<GenerateJob> {
        if (i == std::ssize(asks)) return std::nullopt;
        Ask& ask = asks[static_cast<std::size_t>(i)];
        if (!arm || arm->group != ask.group) {
          arm.reset();
          arm.emplace(make_arm(reading, ask));
        }
        return begin(reading, ask, *arm);
      },
      [&](Index i, const Generated& generated) {
        record(reading, asks[static_cast<std::size_t>(i)], generated);
        if (listener_.on_answers) listener_.on_answers();
      });
}

void DocumentRunner::record(const Reading& reading, const Ask& ask, const Generated& generated) {
  const Item& item = *ask.item;
  const bool ended = generated.reason == StopReason::end_of_text;
  const Verdict verdict = judge(item, generated.text, ended);
  Prediction prediction{.key = key(reading, ask.label),
                        .suite = reading.suite,
                        .task = item.task,
                        .document = reading.document.id,
                        .item = item.id,
                        .recipe = ask.label.recipe,
                        .canonical = ask.label.canonical,
                        .twin = ask.label.twin,
                        .twin_of = ask.label.twin_of,
                        .applied = ask.recipe->to_string(),
                        .sees_question = reading.with_question || ask.recipe->sees_question(),
                        .oracle = ask.recipe->is_oracle(),
                        .question = item.question,
                        .answer_prefix = item.answer_prefix,
                        .answer = generated.text};
  for (const auto& reference : item.references) prediction.references.push_back(reference.text);
  prediction.score = verdict.score;
  prediction.failure = to_string(verdict.failure);
  prediction.exact = verdict.exact;
  prediction.contained = verdict.contained;
  prediction.ended = ended;
  prediction.context_tokens = std::ssize(reading.prompt.context());
  prediction.answer_tokens = std::ssize(generated.tokens);
  prediction.entries = ask.report.entries_after;
  prediction.cache_bytes = ask.report.bytes_after;
  prediction.full_bytes = ask.report.full_bytes;
  prediction.cold_bytes = ask.report.cold_bytes;
  prediction.prefill_s = reading.times.read_seconds;
  prediction.replay_s = ask.replays ? reading.times.replay_seconds : 0;
  prediction.compress_s = ask.report.seconds;
  prediction.decode_s = generated.seconds;
  prediction.tags = item.tags;
  prediction.document_hash = hash_of(reading.document.text);
  prediction.answer_source = ask.answer_source;
  prediction.support_source = ask.support_source;
  prediction.check = ask.check;
  log_.add(prediction);
  ++summary_.answered;
}

}  // namespace pith::eval
