#include "engine/conversation/turn_block.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "engine/calibration/budgets.h"
#include "engine/conversation/turn_recipe.h"
#include "engine/model_access.h"
#include "engine/prompt.h"
#include "engine/signals/observer.h"
#include "engine/signals/query_sample.h"
#include "engine/signals/replay.h"
#include "engine/signals/stream.h"
#include "engine/signals/structure.h"

namespace pith {
namespace {

// What a StreamCollector sees, and samples of the turn's own queries.
class TurnObserver final : public ReadObserver {
 public:
  TurnObserver(StreamCollector& stream, const Context& context, Index rows,
               std::span<const Index> sampled)
      : stream_(stream),
        rotation_(context.cache().rotation()),
        samples_(context.engine().config(), rows, sampled),
        first_token_(context.next_position()),
        behind_(first_token_ + rows) {}

  bool wants_unrotated() const override { return stream_.wants_unrotated(); }
  void begin_chunk(Index first, Index rows) override {
    first_ = first;
    stream_.begin_chunk(first, rows);
  }
  void unrotated(Index layer, std::span<const float> hidden,
                 std::span<const float> queries) override {
    stream_.unrotated(layer, hidden, queries);
  }
  void rotated(Index layer, std::span<const float> queries) override {
    stream_.rotated(layer, queries);
    samples_.take_moved({layer, first_ - first_token_, queries}, rotation_, first_token_, behind_);
  }
  cache::AttentionTap* tap(Index layer) override { return stream_.tap(layer); }
  void end_layer(Index layer) override { stream_.end_layer(layer); }

  void finish(recipe::Signals& signals) {
    signals.context_queries = samples_.finish(predicted_surprisal(signals.surprisal, first_token_));
  }

 private:
  StreamCollector& stream_;
  const cache::Rotation& rotation_;
  QuerySamples samples_;  // of the turn's own queries
  Index first_token_, behind_, first_ = 0;
};

std::vector<std::int32_t> sentence_starts(const Tokenizer& tokenizer, std::span<const Token> turn,
                                          Index first) {
  std::vector<std::int32_t> starts = {0};
  std::string text;
  for (std::size_t t = 0; t < turn.size(); ++t) {
    const std::size_t at = text.size();
    text += tokenizer.piece(turn[t], true);
    const auto index = static_cast<std::int32_t>(first + static_cast<Index>(t));
    if (at < text.size() && begins_sentence(text, at) && index > starts.back())
      starts.push_back(index);
  }
  return starts;
}

bool finite(const cache::Cache& cache) {
  const auto all = [](const std::vector<float>& numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [](float x) { return std::isfinite(x); });
  };
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane) {
    std::vector<float> numbers(static_cast<std::size_t>(cache.size(lane) * cache.shape().head_dim));
    cache.read_keys(lane, numbers);
    if (!all(numbers)) return false;
    cache.read_values(lane, numbers);
    if (!all(numbers)) return false;
  }
  return true;
}

// The turn as it was read, and what a recipe makes of it.
class Turn {
 public:
  Turn(const Context& before, std::span<const Token> tokens, const ReadOptions& options,
       bool wants_left_out)
      : before_(before), tokens_(tokens), options_(options), wants_left_out_(wants_left_out) {}

  // Throws bad_budget where the turn is too short, bad_input where there is something that is no
  // number.
  TurnBlock compress(const recipe::Recipe& recipe) {
    Context context = before_.fork();
    const recipe::Recipe own = of_turn(recipe, context.cache().shape(), std::ssize(tokens_));
    const recipe::Signals signals = read_turn(context, tokens_, own.needs(), options_);
    cache::Cache part = context.cache().part(before_.next_position());
    EngineAccess model(context, signals, options_.progress, &before_);
    Engine& engine = context.engine();
    for (Index stage = 0; stage < own.stages(); ++stage) {
      engine.check_stop();
      part.apply(own.plan(stage, part, signals, &engine.pool(), &model));
    }
    divergence_ = model.divergence();
    if (divergence_ || !finite(part))
      fail(ErrorCode::bad_input,
           divergence_ ? fmt::format("the optimisation went from a loss of {:.3g} to {:.3g}",
                                     divergence_->first_loss, divergence_->last_loss)
                       : "it gave entries that are no numbers");
    std::optional<cache::Cache> left_out;
    if (wants_left_out_) left_out = missing(context.cache().part(before_.next_position()), part);
    return {std::move(part), recipe.to_string(), "", std::move(left_out)};
  }

  TurnBlock exact(std::string note) {
    Context context = before_.fork();
    context.read(tokens_);
    return {context.cache().part(before_.next_position()),
            std::string(recipe::kFull),
            std::move(note),
            {}};
  }

  // What was asked of virtual tokens when they diverged.
  const auto& divergence() const { return divergence_; }

 private:
  // The exact entries of tokens that no entry of the block stands for, in lanes where those that
  // stayed were not weighted to stand for the rest.
  static std::optional<cache::Cache> missing(cache::Cache exact, const cache::Cache& block) {
    cache::Plan plan;
    const cache::Shape& shape = exact.shape();
    for (Index lane = 0; lane < shape.lanes(); ++lane) {
      auto& keep = plan.lanes.emplace_back().keep;
      if (shape.window(lane / shape.kv_heads) > 0) continue;
      std::vector<bool> there(static_cast<std::size_t>(exact.source_tokens()));
      bool weighted = false;
      for (const cache::EntryInfo& entry : block.read_info(lane)) {
        weighted = weighted || entry.log_weight != 0;
        std::fill(there.begin() + entry.span.begin, there.begin() + entry.span.end, true);
      }
      if (weighted) continue;
      const auto infos = exact.read_info(lane);
      for (std::size_t j = 0; j < infos.size(); ++j)
        if (!there[static_cast<std::size_t>(infos[j].span.begin)])
          keep.push_back(static_cast<std::int32_t>(j));
    }
    exact.apply(plan);
    return exact.entries() > 0 ? std::optional(std::move(exact)) : std::nullopt;
  }

  const Context& before_;
  std::span<const Token> tokens_;
  const ReadOptions& options_;
  const bool wants_left_out_;
  std::optional<EngineAccess::Divergence> divergence_;
};

}  // namespace

recipe::Signals read_turn(Context& context, std::span<const Token> turn,
                          const recipe::SignalNeeds& needs, const ReadOptions& options) {
  Engine& engine = context.engine();
  const Index before = context.next_position();
  StreamCollector stream(engine, needs, before);
  look_up_budgets(engine, needs, stream.unfinished());
  stream.begin(context.cache(), std::ssize(turn));
  TurnObserver turn_observer(stream, context, std::ssize(turn), needs.context_queries);
  ReadObserver* observer =
      stream.watches() || !needs.context_queries.empty() ? &turn_observer : nullptr;
  std::vector<float> surprisal;
  if (needs.surprisal) {
    surprisal.resize(static_cast<std::size_t>(before));
    const std::vector<float> scores = context.read_and_score(turn, {}, observer);
    surprisal.push_back(scores.empty() ? 0
                                       : -std::reduce(scores.begin(), scores.end()) /
                                             static_cast<float>(scores.size()));
    for (float score : scores) surprisal.push_back(-score);
  } else {
    context.read(turn, observer);
  }
  recipe::Signals signals = std::move(stream.signals());
  signals.surprisal = std::move(surprisal);
  turn_observer.finish(signals);
  signals.prefix_tokens = before;
  if (needs.sentences) signals.sentence_starts = sentence_starts(engine.tokenizer(), turn, before);
  if (needs.structure) signals.structure = structure_of(engine.tokenizer(), context.tokens());
  if (needs.projected_values) measure_values(context, before, signals);
  if (needs.repeats()) {
    ReplayOptions replay = replay_options(needs, options);
    replay.prefix_tokens = std::min(options.prefix_tokens, before);
    replay_newest(context, before, replay, signals);
  }
  return signals;
}

TurnBlock make_block(const Context& before, std::span<const Token> tokens,
                     const recipe::Recipe& recipe, const ReadOptions& options,
                     bool wants_left_out) {
  PITH_CHECK(!tokens.empty(), "a turn has tokens");
  Turn turn(before, tokens, options, wants_left_out);
  std::string reason;
  try {
    return turn.compress(recipe);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::bad_budget)
      return turn.exact(fmt::format("kept exact: {}", error.what()));
    if (error.code() != ErrorCode::bad_input) throw;
    reason = error.what();
  }
  if (turn.divergence()) {
    const double removed = 1 - 1 / turn.divergence()->ratio;
    try {
      TurnBlock block = turn.compress(
          recipe::Recipe::parse(fmt::format("kvzip_plus + global + match @ {:.6g}", removed)));
      block.note = fmt::format("{}: {}; fitted by match instead", recipe.name(), reason);
      return block;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::bad_budget && error.code() != ErrorCode::bad_input) throw;
    }
  }
  return turn.exact(fmt::format("{}: {}; kept exact", recipe.name(), reason));
}

}  // namespace pith
