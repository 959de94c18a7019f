#include "cli/answering.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/stopwatch.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/steps.h"
#include "engine/rerouting.h"
#include "engine/write.h"

namespace pith::cli {
namespace {

void check_range(const Engine& engine, Index context_tokens, Index room) {
  const Index range = engine.config().context_length;
  if (context_tokens + room <= range) return;
  fail(ErrorCode::bad_input, fmt::format("the document is {} tokens and a question needs {} more, "
                                         "but {} reads at most {}; shorten the document "
                                         "or take a model with a longer range",
                                         context_tokens, room, engine.config().name, range));
}

Arm make_arm(const recipe::Recipe& recipe) {
  Arm arm;
  arm.name = recipe.name();
  arm.canonical = recipe.to_string();
  arm.sees_question = recipe.sees_question();
  arm.oracle = recipe.is_oracle();
  arm.keeps_full = recipe.again_every() > 0;
  arm.recipe = recipe;
  return arm;
}

Check check_of(const Arm& arm, const SpanReplay& sample) {
  const Stopwatch watch;
  StepProgress checking("checking");
  Check check{.damage = sample.compare(*arm.context, checking.callback()), .spans = sample.spans()};
  check.seconds = watch.seconds();
  return check;
}

}  // namespace

DocumentPrompt make_prompt(const Engine& engine, const std::string& text, const std::string& file,
                           const std::string& system) {
  try {
    return DocumentPrompt(engine, text, system);
  } catch (const Error& error) {
    fail(error.code(), fmt::format("{}: {}", file == "-" ? "standard input" : file, error.what()));
  }
}

void Answering::read(const DocumentPrompt& prompt, const std::vector<recipe::Recipe>& recipes,
                     const AnsweringOptions& how) {
  schedule_ = how.schedule;
  check_range(*engine_, std::ssize(prompt.context()), how.room);
  recipe::SignalNeeds needs;
  bool keep_full = false;
  for (const auto& recipe : recipes) {
    needs |= recipe.needs();
    keep_full |= recipe.sees_question();
    arms_.push_back(make_arm(recipe));
    if (recipe.risk()) arms_.back().guard.emplace(*engine_, recipe);
  }
  keep_full |= arms_.size() > 1;
  if (schedule_.when == When::chunk) return read_in_pieces(prompt, how.reading);

  ReadOptions options = prompt.read_options();
  options.progress = how.reading;
  options.replay_progress = how.replaying;
  full_.emplace(engine_);
  signals_ = read_document(*full_, prompt.context(), needs, options, &times_);
  context_tokens_ = std::ssize(prompt.context());
  full_bytes_ = full_->cache().full_bytes();
  full_cache_bytes_ = full_->cache().bytes().total();
  after_reading_ = memory_usage();

  const std::optional<SpanReplay> sample = how.check ? draw_sample(options) : std::nullopt;
  for (Arm& arm : arms_) {
    if (arm.sees_question) continue;
    if (arm.guard) arm.choice = arm.guard->choose(*full_, signals_, options);
    if (keep_full) {
      arm.context = full_->fork();
    } else {
      arm.context = std::move(*full_);
      full_.reset();
    }
    StepProgress optimising("optimising");
    const recipe::Recipe& recipe = arm.choice ? arm.choice->recipe : *arm.recipe;
    arm.report = compress(*arm.context, recipe, signals_, optimising.callback());
    if (!arm.report.note.empty()) note(fmt::format("{}: {}", arm.name, arm.report.note));
    arm.compress_seconds = arm.report.seconds + (arm.choice ? arm.choice->seconds : 0) +
                           (arm.recipe->needs().replays() ? times_.replay_seconds : 0);
    if (sample && is_checkable(recipe)) arm.check = check_of(arm, *sample);
  }
  const auto looks = [](const Arm& arm) { return arm.sees_question; };
  if (std::none_of(arms_.begin(), arms_.end(), looks)) {
    full_.reset();
    signals_ = {};
  }
  after_compression_ = memory_usage();
}

// None where there is nothing to check, or no room for it.
std::optional<SpanReplay> Answering::draw_sample(const ReadOptions& options) const {
  const auto checkable = [](const Arm& arm) { return is_checkable(*arm.recipe); };
  if (std::none_of(arms_.begin(), arms_.end(), checkable)) return std::nullopt;
  StepProgress checking("checking");
  try {
    return SpanReplay(*full_, even_weights(*full_),
                      {.reading = options, .most = kCheckedSpans, .progress = checking.callback()});
  } catch (const Error& error) {
    if (error.code() != ErrorCode::bad_input) throw;
    note(fmt::format("the caches are not checked: {}", error.what()));
    return std::nullopt;
  }
}

void Answering::read_in_pieces(const DocumentPrompt& prompt, const Progress& reading) {
  for (Arm& arm : arms_) {
    ReadOptions options = prompt.read_options();
    options.progress = reading;
    arm.context.emplace(engine_);
    const KeptReading kept =
        read_in_chunks(*arm.context, prompt.context(), *arm.recipe, schedule_.value, options);
    arm.report = kept.report;
    const cache::Cache& cache = arm.context->cache();
    if (arm.recipe->is_full()) {
      arm.report.entries_before = arm.report.entries_after = cache.entries();
      arm.report.bytes_before = arm.report.bytes_after = cache.bytes().total();
      arm.report.full_bytes = cache.full_bytes();
    }
    arm.peak_bytes = std::max(kept.peak_bytes, kept.peak_cache_bytes);
    arm.compress_seconds = kept.report.seconds + kept.times.replay_seconds;
    times_.read_seconds += kept.times.read_seconds / static_cast<double>(arms_.size());
    context_tokens_ = arm.context->next_position();
    full_bytes_ = cache.full_bytes();
  }
  after_reading_ = after_compression_ = memory_usage();
}

void Answering::load(const std::filesystem::path& file) {
  Arm arm;
  std::string recipe;
  arm.context = Context::load(engine_, file, &recipe);
  const cache::Cache& cache = arm.context->cache();
  arm.name = arm.canonical = recipe.empty() ? "full" : recipe;
  arm.report.entries_before = arm.report.entries_after = cache.entries();
  arm.report.bytes_before = arm.report.bytes_after = cache.bytes().total();
  arm.report.full_bytes = cache.full_bytes();
  full_bytes_ = arm.report.full_bytes;
  full_cache_bytes_ = arm.report.bytes_after;
  context_tokens_ = arm.context->next_position();
  arms_.push_back(std::move(arm));
  after_reading_ = after_compression_ = memory_usage();
}

Generated Answering::write_rerouted(Context& context, const Arm& arm,
                                    std::span<const Token> question, const GenerateOptions& options,
                                    const OnText& on_text) {
  Rerouting rerouting(*full_, *arm.recipe, signals_, {question.begin(), question.end()});
  std::vector<Token> written;
  return write(context, options, on_text, [&](Token token) {
    written.push_back(token);
    if (rerouting.due(std::ssize(written)))
      context = rerouting.again(written);
    else
      context.read(std::span(&token, 1));
  });
}

Answer Answering::unasked(const Arm& arm) const {
  const cache::Cache& cache = arm.context->cache();
  Answer answer;
  answer.report = arm.report;
  answer.compress_seconds = arm.compress_seconds;
  answer.entries = cache.entries();
  answer.bytes = cache.bytes().total();
  answer.stored_as = cache_format_name(cache);
  answer.peak_bytes =
      std::max(arm.peak_bytes > 0 ? arm.peak_bytes : full_cache_bytes_, answer.bytes);
  return answer;
}

Answer Answering::answer(Index index, std::span<const Token> question,
                         const GenerateOptions& options, const OnText& on_text) {
  Arm& arm = arms_[static_cast<std::size_t>(index)];
  Answer answer;
  Context context = arm.sees_question ? full_->fork() : arm.context->fork();
  if (arm.sees_question) {
    observe_question(context, question, signals_);
    answer.report = compress_once(context, *arm.recipe, signals_);
    if (arm.keeps_full) answer.report.cold_bytes = full_->cache().bytes().total();
    answer.compress_seconds =
        answer.report.seconds + (arm.recipe->needs().replays() ? times_.replay_seconds : 0);
  } else {
    answer.report = arm.report;
    answer.compress_seconds = arm.compress_seconds;
  }
  answer.entries = context.cache().entries();
  answer.bytes = context.cache().bytes().total();
  answer.stored_as = cache_format_name(context.cache());
  context.read(question);
  answer.generated = arm.keeps_full ? write_rerouted(context, arm, question, options, on_text)
                                    : generate(context, options, on_text);
  const Index before = arm.peak_bytes > 0 ? arm.peak_bytes : full_cache_bytes_;
  answer.peak_bytes = std::max(before, context.cache().bytes().total() + answer.report.cold_bytes);
  answer.memory = memory_usage();
  return answer;
}

}  // namespace pith::cli
