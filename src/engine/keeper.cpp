#include "engine/keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/stopwatch.h"
#include "cache/peak.h"
#include "engine/calibration/budgets.h"
#include "engine/signals/reach.h"
#include "engine/signals/replay.h"
#include "engine/signals/stream.h"
#include "engine/signals/structure.h"
#include "model/logits.h"
#include "recipe/budget.h"
#include "recipe/stage.h"

namespace pith {
namespace {

// The recipe with fractions as what they leave of `tokens`, one stage after another: of a cache
// that was compressed before, a fraction would count anew. Throws bad_recipe for a fraction of what
// a stage leaves whose size is not known before.
recipe::Recipe of_all_tokens(const recipe::Recipe& recipe, Index tokens) {
  std::vector<recipe::Stage> stages = recipe::read_stages(recipe.to_string());
  bool known = true;  // whether `tokens` is what is left
  for (recipe::Stage& stage : stages) {
    const auto unit = stage.budget ? std::optional(stage.budget->unit) : std::nullopt;
    if (unit == recipe::BudgetUnit::fraction) {
      if (!known)
        fail(ErrorCode::bad_recipe,
             fmt::format("{}: while a document is read, \"{}\" would take a fraction of what it "
                         "left itself; give its budget in tokens (\"@ 512tok\") or as a ratio",
                         recipe.name(), recipe::to_string(stage)));
      tokens = recipe::kept_of(tokens, stage.budget->value);
      stage.budget = recipe::Budget{recipe::BudgetUnit::tokens, static_cast<double>(tokens)};
    } else if (unit == recipe::BudgetUnit::tokens) {
      tokens = std::min(tokens, static_cast<Index>(stage.budget->value));
    } else if (unit || stage.allocator.info->name != "keep_all") {
      known = false;
    }
  }
  return recipe::Recipe::parse(recipe::to_string(stages));
}

// Whether all stages may leave as much of few tokens as of many.
bool has_fixed_budgets(const recipe::Recipe& recipe) {
  const std::vector<recipe::Stage> stages = recipe::read_stages(recipe.to_string());
  return std::all_of(stages.begin(), stages.end(), [](const recipe::Stage& stage) {
    return stage.budget && (stage.budget->unit == recipe::BudgetUnit::tokens ||
                            stage.budget->unit == recipe::BudgetUnit::bytes);
  });
}

}  // namespace

Keeper::Keeper(Context& context, const recipe::Recipe& recipe, const ReadOptions& options)
    : context_(context),
      recipe_(recipe),
      needs_(recipe.needs()),
      options_(options),
      collector_(std::make_unique<StreamCollector>(context.engine(), needs_)) {
  PITH_CHECK(context.next_position() == 0, "a keeper starts from an empty context");
  if (recipe.sees_question())
    fail(ErrorCode::bad_recipe,
         fmt::format("{}: it looks at the question, and there is none while the context is read; "
                     "take the schedule prefill, or another recipe",
                     recipe.name()));
  if (recipe.risk())
    fail(
        ErrorCode::bad_budget,
        fmt::format("{}: the guard looks at a whole document, so there is no budget auto while one "
                    "is read or written; take the schedule prefill, or a fixed budget such as "
                    "\"@ 4x\"",
                    recipe.name()));
  recipe::SignalNeeds beyond = StreamCollector::beyond(needs_);
  if (!options.turn_starts.empty()) beyond.turns = false;
  if (beyond != recipe::SignalNeeds{})
    fail(ErrorCode::bad_recipe,
         fmt::format("{}: what it needs to know can only be collected over a whole document; take "
                     "the schedule prefill, or another recipe",
                     recipe.name()));
  of_all_tokens(recipe, 1 << 20);  // refuses at once what it will have to refuse
  look_up_budgets(context.engine(), needs_, collector_->unfinished());
}

Keeper::~Keeper() = default;

Index Keeper::peak_bytes() const { return cache::peak_bytes(context_.cache()); }

void Keeper::note_peak() {
  peak_cache_bytes_ = std::max(peak_cache_bytes_, context_.cache().bytes().total());
}

void Keeper::append(std::span<const Token> tokens) {
  if (tokens.empty()) return;
  const Stopwatch watch;
  collector_->begin(context_.cache(), std::ssize(tokens));
  StreamCollector* observer = collector_->watches() ? collector_.get() : nullptr;
  if (needs_.surprisal) {
    auto& known = collector_->unfinished().surprisal;
    const bool first = known.empty();
    known.push_back(first ? 0 : static_cast<float>(surprisal(context_.logits(), tokens.front())));
    for (float p : context_.read_and_score(tokens, {}, observer)) known.push_back(-p);
    if (first && known.size() > 1)
      known[0] = std::reduce(known.begin() + 1, known.end()) / static_cast<float>(known.size() - 1);
  } else {
    context_.read(tokens, observer);
  }
  times_.read_seconds += watch.seconds();
  note_peak();
}

void Keeper::read(std::span<const Token> tokens, Index chunk) {
  PITH_CHECK(chunk > 0, "a chunk of no tokens");
  context_.check_room(std::ssize(tokens));
  if (needs_.repeats() && context_.next_position() == 0)
    check_pieces(context_.engine(), tokens, chunk, options_);
  const auto size = static_cast<std::size_t>(chunk);
  for (auto left = tokens; !left.empty();) {
    const auto piece = left.first(std::min(size, left.size()));
    left = left.last(left.size() - piece.size());
    read_piece(piece, left.empty());
    if (options_.progress)
      options_.progress(static_cast<Index>(tokens.size() - left.size()), std::ssize(tokens));
  }
}

void Keeper::read_piece(std::span<const Token> tokens, bool last) {
  append(tokens);
  if (last)
    compress();
  else
    compress_or_wait();
}

std::string Keeper::compress_or_wait() {
  try {
    compress();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::bad_budget || has_fixed_budgets(recipe_)) throw;
    return error.what();
  }
  return "";
}

void Keeper::compress() {
  if (recipe_.is_full()) return;
  recipe::Signals& signals = collector_->signals();
  signals.prefix_tokens = std::min(options_.prefix_tokens, signals.tokens);
  signals.turn_starts.clear();
  for (const std::int32_t start : options_.turn_starts)
    if (start < signals.tokens) signals.turn_starts.push_back(start);
  if (needs_.turns && signals.turn_starts.empty()) return;  // none has begun
  if (needs_.repeats()) replay_new_tokens(signals);
  if (needs_.structure)
    signals.structure = structure_of(context_.engine().tokenizer(), context_.tokens());
  if (needs_.projected_values)
    measure_values(context_, std::exchange(measured_, signals.tokens), signals);
  const CompressionReport now =
      pith::compress(context_, of_all_tokens(recipe_, signals.tokens), signals);
  report_.seconds += now.seconds;
  report_.full_bytes = now.full_bytes;
  report_.entries_after = now.entries_after;
  report_.bytes_after = now.bytes_after;
  report_.entries_before = context_.next_position() * context_.cache().shape().lanes();
  report_.bytes_before = std::max(report_.bytes_before, now.bytes_before);
  ++compressions_;
}

void Keeper::replay_new_tokens(recipe::Signals& signals) {
  const Stopwatch watch;
  ReplayOptions options = replay_options(needs_, options_);
  options.prefix_tokens = signals.prefix_tokens;
  options.progress = {};
  replayed_ = std::max(replayed_, signals.prefix_tokens);
  if (replayed_ < signals.tokens) replay_newest(context_, replayed_, options, signals);
  replayed_ = signals.tokens;
  times_.replay_seconds += watch.seconds();
}

KeptReading read_in_chunks(Context& context, std::span<const Token> tokens,
                           const recipe::Recipe& recipe, Index chunk, const ReadOptions& options) {
  Keeper keeper(context, recipe, options);
  keeper.read(tokens, chunk);
  return {keeper.report(), keeper.times(), keeper.peak_cache_bytes(), keeper.peak_bytes()};
}

}  // namespace pith
