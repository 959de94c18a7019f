#include "eval/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "engine/compress.h"
#include "engine/generate.h"
#include "engine/keeper.h"
#include "engine/prompt.h"
#include "eval/judge.h"
#include "eval/predictions.h"
#include "recipe/recipe.h"

namespace pith::eval {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Work {
  std::string suite;
  Document document;
};

std::vector<recipe::Recipe> parse_recipes(const RunConfig& config) {
  std::vector<recipe::Recipe> recipes = {recipe::Recipe::parse("full")};
  for (const auto& text : config.recipes) {
    recipe::Recipe parsed = recipe::Recipe::parse(text);
    const bool known = std::any_of(recipes.begin(), recipes.end(), [&](const auto& other) {
      return other.to_string() == parsed.to_string();
    });
    if (!known) recipes.push_back(std::move(parsed));
  }
  return recipes;
}

// A compressed cache, ready to be asked.
struct Arm {
  Context context;
  CompressionReport report;
  Index peak_bytes = 0;  // of the cache while it was read
};

class Runner {
 public:
  Runner(std::shared_ptr<Engine> engine, const RunConfig& config, const std::filesystem::path& out,
         const std::function<void(const RunProgress&)>& progress)
      : engine_(std::move(engine)),
        config_(config),
        recipes_(parse_recipes(config)),
        log_(out / "predictions.jsonl"),
        progress_(progress) {}

  RunSummary run() {
    const auto start = start_ = Clock::now();
    std::vector<Work> work;
    for (const auto& suite : config_.suites)
      for (auto& document : generate(suite, config_.suite, [&](std::string_view text) {
             return std::ssize(engine_->tokenizer().encode(text));
           }))
        work.push_back({suite, std::move(document)});
    std::vector<Work> mine;
    for (std::size_t i = 0; i < work.size(); ++i)
      if (static_cast<Index>(i) % config_.shards == config_.shard)
        mine.push_back(std::move(work[i]));
    for (const auto& one : mine) total_ += std::ssize(one.document.items) * std::ssize(recipes_);
    for (const auto& one : mine) run_document(one);
    summary_.seconds = seconds_since(start);
    return summary_;
  }

 private:
  // Runs work that the model does, and counts its time.
  template <typename F>
  auto kernel_time(F&& work) {
    const auto start = Clock::now();
    auto result = work();
    summary_.kernel_seconds += seconds_since(start);
    return result;
  }

  std::string key(const Work& work, const recipe::Recipe& recipe) const {
    // The number of documents is left out: more of them go on from what is there.
    const bool usual = config_.schedule == Schedule{};
    return hash_of(fmt::format("1|{:x}|{}|{}|{}|{}|{}|{}|{}{}", engine_->model().hash(),
                               engine_->options().numerics == Numerics::exact, work.suite,
                               config_.suite.tokens, config_.suite.seed, work.document.id,
                               recipe.to_string(), config_.question_aware,
                               usual ? "" : "|" + to_string(config_.schedule)));
  }

  std::vector<const Item*> missing(const Work& work, const recipe::Recipe& recipe) const {
    std::vector<const Item*> items;
    for (const auto& item : work.document.items)
      if (!log_.has(key(work, recipe), item.id)) items.push_back(&item);
    return items;
  }

  void run_document(const Work& work) {
    std::vector<const recipe::Recipe*> todo;
    recipe::SignalNeeds needs;
    for (const auto& recipe : recipes_) {
      const Index left = std::ssize(missing(work, recipe));
      const Index there = std::ssize(work.document.items) - left;
      done_ += there;
      summary_.skipped += there;
      if (left == 0) continue;
      todo.push_back(&recipe);
      needs |= recipe.needs();
    }
    if (todo.empty()) return;
    if (config_.question_aware) {
      for (const auto& item : work.document.items) run_question_aware(work, item, todo, needs);
      return;
    }
    const DocumentPrompt prompt(*engine_, work.document.text, work.document.system);
    if (config_.schedule.when == When::chunk) {
      for (const auto* recipe : todo) run_in_chunks(work, *recipe, prompt);
      return;
    }
    Context whole(engine_);
    ReadTimes times;
    const auto signals = kernel_time([&] {
      return read_document(whole, prompt.context(), needs, prompt.read_options(), &times);
    });
    for (const auto* recipe : todo) run_arm(work, *recipe, prompt, whole, signals, times);
  }

  // A recipe that compresses while the document is read.
  void run_in_chunks(const Work& work, const recipe::Recipe& recipe, const DocumentPrompt& prompt) {
    Arm arm{Context(engine_), {}};
    const KeptReading kept = kernel_time([&] {
      return read_in_chunks(arm.context, prompt.context(), recipe, config_.schedule.value,
                            prompt.read_options());
    });
    arm.report = kept.report;
    arm.peak_bytes = kept.peak_bytes;
    if (recipe.is_full()) {
      arm.report.entries_after = arm.context.cache().entries();
      arm.report.bytes_after = arm.context.cache().bytes().total();
      arm.report.full_bytes = arm.context.cache().full_bytes();
    }
    answer_all(work, recipe, arm, prompt, kept.times);
  }

  // Every item reads its own document with the question behind it, as kvpress' question-aware mode
  // does.
  void run_question_aware(const Work& work, const Item& item,
                          std::span<const recipe::Recipe* const> todo,
                          const recipe::SignalNeeds& needs) {
    const DocumentPrompt prompt(*engine_, work.document.text + "\n\n" + item.question,
                                work.document.system);
    Context whole(engine_);
    ReadTimes times;
    auto signals = kernel_time([&] {
      return read_document(whole, prompt.context(), needs, prompt.read_options(), &times);
    });
    for (const auto* recipe : todo) {
      if (log_.has(key(work, *recipe), item.id)) continue;
      if (recipe->sees_question())
        kernel_time([&] {
          observe_question(whole, prompt.suffix(), signals);
          return 0;
        });
      Arm arm = make_arm(*recipe, whole, signals);
      std::vector<Token> tokens = prompt.suffix();
      append_prefix(tokens, item);
      const Item* items[] = {&item};
      answer(work, *recipe, arm, items, std::span(&tokens, 1), std::ssize(prompt.context()), times,
             true);
    }
  }

  Arm make_arm(const recipe::Recipe& recipe, const Context& whole,
               const recipe::Signals& signals) const {
    Arm arm{whole.fork(), {}, whole.cache().bytes().total()};
    try {
      arm.report = compress(arm.context, recipe, signals);
    } catch (const Error& error) {
      fail(error.code(), fmt::format("{}: {}", recipe.name(), error.what()));
    }
    return arm;
  }

  void append_prefix(std::vector<Token>& tokens, const Item& item) const {
    const auto prefix = engine_->tokenizer().encode(item.answer_prefix);
    tokens.insert(tokens.end(), prefix.begin(), prefix.end());
  }

  void run_arm(const Work& work, const recipe::Recipe& recipe, const DocumentPrompt& prompt,
               const Context& whole, const recipe::Signals& signals, const ReadTimes& times) {
    if (recipe.sees_question()) {
      const auto items = missing(work, recipe);
      std::vector<std::vector<Token>> asked;
      for (const Item* item : items)
        append_prefix(asked.emplace_back(prompt.question(item->question)), *item);
      for (std::size_t i = 0; i < items.size(); ++i) {
        recipe::Signals seen = signals;
        kernel_time([&] {
          observe_question(whole, prompt.question(items[i]->question), seen);
          return 0;
        });
        Arm arm = make_arm(recipe, whole, seen);
        answer(work, recipe, arm, std::span(&items[i], 1), std::span(&asked[i], 1),
               std::ssize(prompt.context()), times, true);
      }
      return;
    }
    answer_all(work, recipe, make_arm(recipe, whole, signals), prompt, times);
  }

  // All missing items of a document, several at once.
  void answer_all(const Work& work, const recipe::Recipe& recipe, const Arm& arm,
                  const DocumentPrompt& prompt, const ReadTimes& times) {
    const auto items = missing(work, recipe);
    std::vector<std::vector<Token>> asked;
    for (const Item* item : items)
      append_prefix(asked.emplace_back(prompt.question(item->question)), *item);
    for (std::size_t i = 0; i < items.size(); i += static_cast<std::size_t>(config_.together)) {
      const auto count = std::min(items.size() - i, static_cast<std::size_t>(config_.together));
      answer(work, recipe, arm, std::span(items).subspan(i, count),
             std::span(asked).subspan(i, count), std::ssize(prompt.context()), times, false);
    }
  }

  void answer(const Work& work, const recipe::Recipe& recipe, const Arm& arm,
              std::span<const Item* const> items, std::span<const std::vector<Token>> asked,
              Index context_tokens, const ReadTimes& times, bool sees_question) {
    std::vector<Context> contexts;
    Index most = 1;
    for (const auto* item : items) most = std::max(most, item->max_tokens);
    const auto generated = kernel_time([&] {
      for (const auto& tokens : asked) contexts.emplace_back(arm.context.fork()).read(tokens);
      return generate_together(contexts, {.max_tokens = most});
    });
    for (std::size_t i = 0; i < items.size(); ++i) {
      const Item& item = *items[i];
      const bool ended = generated[i].reason == StopReason::end_of_text &&
                         std::ssize(generated[i].tokens) <= item.max_tokens;
      const std::string text =
          std::ssize(generated[i].tokens) > item.max_tokens
              ? engine_->tokenizer().decode(
                    std::span(generated[i].tokens).first(static_cast<std::size_t>(item.max_tokens)),
                    false)
              : generated[i].text;
      const Verdict verdict = judge(item, text, ended);
      Prediction prediction{.key = key(work, recipe),
                            .suite = work.suite,
                            .task = item.task,
                            .document = work.document.id,
                            .item = item.id,
                            .recipe = recipe.name(),
                            .canonical = recipe.to_string(),
                            .sees_question = sees_question,
                            .oracle = recipe.is_oracle(),
                            .question = item.question,
                            .answer_prefix = item.answer_prefix,
                            .answer = text};
      for (const auto& reference : item.references) prediction.references.push_back(reference.text);
      prediction.score = verdict.score;
      prediction.failure = to_string(verdict.failure);
      prediction.exact = verdict.exact;
      prediction.contained = verdict.contained;
      prediction.ended = ended;
      prediction.context_tokens = context_tokens;
      prediction.answer_tokens = std::min(std::ssize(generated[i].tokens), item.max_tokens);
      prediction.entries = arm.report.entries_after;
      prediction.cache_bytes = arm.report.bytes_after;
      prediction.full_bytes = arm.report.full_bytes;
      prediction.peak_bytes = arm.peak_bytes;
      prediction.prefill_s = times.read_seconds;
      prediction.replay_s =
          recipe.needs().replay || recipe.needs().replay_plus ? times.replay_seconds : 0;
      prediction.compress_s = arm.report.seconds;
      prediction.decode_s = generated[i].seconds;
      prediction.tags = item.tags;
      log_.add(prediction);
      ++summary_.answered;
      ++done_;
    }
    if (progress_)
      progress_({.done = done_,
                 .total = total_,
                 .seconds = seconds_since(start_),
                 .kernel_share = summary_.kernel_seconds / seconds_since(start_),
                 .what = fmt::format("{} {}", work.suite, work.document.id)});
  }

  std::shared_ptr<Engine> engine_;
  const RunConfig& config_;
  std::vector<recipe::Recipe> recipes_;
  PredictionLog log_;
  const std::function<void(const RunProgress&)>& progress_;
  Clock::time_point start_;
  RunSummary summary_;
  Index done_ = 0, total_ = 0;
};

}  // namespace

RunSummary run_suites(const std::shared_ptr<Engine>& engine, const RunConfig& config,
                      const std::filesystem::path& out,
                      const std::function<void(const RunProgress&)>& progress) {
  if (config.shards < 1 || config.shard < 0 || config.shard >= config.shards)
    fail(ErrorCode::bad_input,
         fmt::format("shard {} of {}: shards count from 0 to one less than their number",
                     config.shard, config.shards));
  std::filesystem::create_directories(out);
  return Runner(engine, config, out, progress).run();
}

}  // namespace pith::eval
