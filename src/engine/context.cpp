#include "engine/context.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "cache/attention.h"
#include "engine/signals/observer.h"
#include "model/logits.h"

namespace pith {

// Carries the rows of one forward pass between the model and the caches of the contexts that read.
class ReadPass final : public AttentionBackend {
 public:
  ReadPass(std::span<Context* const> contexts, std::span<const Index> rows, ReadObserver* observer)
      : contexts_(contexts),
        rows_(rows),
        observer_(observer),
        engine_(contexts.front()->engine()) {}

  bool wants_queries() const override { return observer_ && observer_->wants_unrotated(); }

  void observe(Index layer, std::span<const float> hidden,
               std::span<const float> queries) override {
    observer_->unrotated(layer, hidden, queries);
  }

  void store(Index layer, std::span<const float> keys, std::span<const float> values) override {
    const auto size =
        static_cast<std::size_t>(engine_.config().kv_heads * engine_.config().head_dim);
    engine_.check_stop();
    if (observer_) observer_->stored(layer, keys, values);
    std::size_t row = 0;
    for (std::size_t s = 0; s < contexts_.size(); ++s) {
      const auto count = static_cast<std::size_t>(rows_[s]);
      Context& context = *contexts_[s];
      context.cache_.append(layer, keys.subspan(row * size, count * size),
                            values.subspan(row * size, count * size), context.next_position_,
                            context.next_position_);
      row += count;
    }
  }

  void attend(Index layer, std::span<const float> queries, std::span<const Index> rows,
              std::span<float> out) override {
    const auto size =
        static_cast<std::size_t>(engine_.config().query_heads * engine_.config().head_dim);
    if (observer_) observer_->rotated(layer, queries);
    std::vector<cache::AttentionJob> jobs;
    std::size_t row = 0;
    for (std::size_t s = 0; s < contexts_.size(); ++s) {
      const auto count = static_cast<std::size_t>(rows[s]);
      if (count == 0) continue;
      jobs.push_back({.cache = &contexts_[s]->cache_,
                      .queries = queries.subspan(row * size, count * size),
                      .out = out.subspan(row * size, count * size),
                      .tokens = rows[s],
                      .first_position = contexts_[s]->next_position_ + rows_[s] - rows[s],
                      .tap = observer_ ? observer_->tap(layer) : nullptr});
      row += count;
    }
    cache::attend({.layer = layer,
                   .query_heads = engine_.config().query_heads,
                   .scale = engine_.config().attention_scale},
                  jobs, engine_.pool());
    if (observer_) observer_->end_layer(layer);
  }

 private:
  std::span<Context* const> contexts_;
  std::span<const Index> rows_;
  ReadObserver* observer_;
  Engine& engine_;
};

// Until it is told to keep them, what a context has taken up since goes when this does. Layers and
// heads may have got different numbers of entries by then.
class Context::Rollback {
 public:
  explicit Rollback(Context& context)
      : context_(&context),
        tokens_(context.tokens_.size()),
        next_position_(context.next_position_) {}
  Rollback(const Rollback&) = delete;
  Rollback& operator=(const Rollback&) = delete;
  ~Rollback() {
    if (!context_) return;
    context_->cache_.take_back(next_position_);
    context_->tokens_.resize(tokens_);
    context_->next_position_ = next_position_;
  }
  void keep() { context_ = nullptr; }

 private:
  Context* context_;
  std::size_t tokens_;
  Index next_position_;
};

Context::Context(std::shared_ptr<Engine> engine)
    : engine_(std::move(engine)),
      cache_(engine_->cache_shape(), engine_->cache_rotation(), engine_->cache_format()) {}

Context::Context(std::shared_ptr<Engine> engine, cache::Cache cache)
    : engine_(std::move(engine)), cache_(std::move(cache)) {}

void Context::check_room(Index tokens) const {
  const Index range = engine_->config().context_length;
  if (next_position_ + tokens > range)
    fail(ErrorCode::bad_input,
         fmt::format("{} tokens{} leave the model's range of {} tokens; shorten the text or use a "
                     "model with a longer range",
                     tokens, next_position_ > 0 ? fmt::format(" after {}", next_position_) : "",
                     range));
}

Context Context::fork() const {
  Context copy(engine_, cache_.fork());
  copy.tokens_ = tokens_;
  copy.next_position_ = next_position_;
  copy.logits_ = logits_;
  return copy;
}

Context Context::fork_on(std::shared_ptr<Engine> engine) const {
  Context copy = fork();
  copy.engine_ = std::move(engine);
  return copy;
}

Context Context::until(Index token) const {
  Context copy = fork();
  copy.cache_.truncate(token);
  copy.tokens_.resize(static_cast<std::size_t>(token));
  copy.next_position_ = token;
  copy.logits_.clear();
  return copy;
}

void Context::append(const cache::Cache& entries, std::span<const Token> tokens,
                     std::span<const float> logits) {
  check_room(std::ssize(tokens));
  std::vector<float> after(logits.begin(), logits.end());
  Rollback rollback(*this);
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  cache_.extend(entries);
  next_position_ += std::ssize(tokens);
  logits_ = std::move(after);
  rollback.keep();
}

std::span<const float> Context::read_chunk(std::span<const Token> tokens, Index wanted,
                                           ReadObserver* observer) {
  const auto rows = static_cast<Index>(tokens.size());
  std::vector<Index> positions(tokens.size());
  std::iota(positions.begin(), positions.end(), next_position_);
  const SequenceRows sequence{rows, wanted};
  if (observer) observer->begin_chunk(next_position_, rows);
  Context* const self = this;
  ReadPass pass(std::span(&self, 1), std::span(&rows, 1), observer);
  const auto hidden =
      forward(engine_->model(), {tokens, positions, std::span(&sequence, 1), observer != nullptr},
              engine_->options().numerics, pass, engine_->workspace(), engine_->pool());
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  next_position_ += rows;
  return hidden;
}

std::vector<float> Context::logits_after(std::span<const float> hidden) {
  std::vector<float> logits(static_cast<std::size_t>(engine_->config().vocabulary));
  compute_logits(engine_->model(), hidden, engine_->options().numerics, engine_->workspace(),
                 engine_->pool(), logits);
  return logits;
}

void Context::read(std::span<const Token> tokens, ReadObserver* observer,
                   const Progress& progress) {
  const auto total = static_cast<Index>(tokens.size());
  check_room(total);
  Rollback rollback(*this);
  std::vector<float> logits;
  for (Index done = 0; done < total;) {
    const Index rows = std::min(engine_->options().prefill_chunk, total - done);
    const bool last = done + rows == total;
    const auto hidden =
        read_chunk(tokens.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(rows)),
                   last ? 1 : 0, observer);
    if (last) logits = logits_after(hidden);
    done += rows;
    if (progress) progress(done, total);
  }
  if (total > 0) logits_ = std::move(logits);
  rollback.keep();
}

void Context::read_states(std::span<const Token> tokens, const OnStates& on_states,
                          ReadObserver* observer, const Progress& progress) {
  const auto total = static_cast<Index>(tokens.size());
  check_room(total);
  Rollback rollback(*this);
  std::vector<float> logits;
  for (Index done = 0; done < total;) {
    const Index rows = std::min(engine_->options().prefill_chunk, total - done);
    const auto hidden =
        read_chunk(tokens.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(rows)),
                   rows, observer);
    const std::vector<float> states(hidden.begin(), hidden.end());
    on_states(done, states);
    done += rows;
    if (done == total)
      logits =
          logits_after(std::span(states).last(static_cast<std::size_t>(engine_->config().width)));
    if (progress) progress(done, total);
  }
  if (total > 0) logits_ = std::move(logits);
  rollback.keep();
}

std::vector<float> Context::read_and_score(std::span<const Token> tokens, const Progress& progress,
                                           ReadObserver* observer) {
  const auto total = static_cast<Index>(tokens.size());
  std::vector<float> scores;
  const Index E = engine_->config().width, V = engine_->config().vocabulary;
  const auto score = [&](Index first, std::span<const float> states) {
    constexpr Index kBlock = 32;  // rows of logits at once: they are vocabulary-wide
    const Index rows = std::ssize(states) / E;
    std::vector<float> logits(static_cast<std::size_t>(std::min(kBlock, rows) * V));
    for (Index row = 0; row < rows; row += kBlock) {
      const Index count = std::min(kBlock, rows - row);
      compute_logits(
          engine_->model(),
          states.subspan(static_cast<std::size_t>(row * E), static_cast<std::size_t>(count * E)),
          engine_->options().numerics, engine_->workspace(), engine_->pool(),
          std::span(logits).first(static_cast<std::size_t>(count * V)));
      for (Index r = 0; r < count && first + row + r + 1 < total; ++r)
        scores.push_back(-static_cast<float>(surprisal(
            std::span(logits).subspan(static_cast<std::size_t>(r * V), static_cast<std::size_t>(V)),
            tokens[static_cast<std::size_t>(first + row + r + 1)])));
    }
  };
  read_states(tokens, score, observer, progress);
  return scores;
}

void Context::read_one_each(std::span<Context* const> contexts, std::span<const Token> tokens) {
  if (contexts.empty()) return;
  PITH_CHECK(contexts.size() == tokens.size(), "one token per context");
  Engine& engine = contexts.front()->engine();
  const std::vector<Index> rows(contexts.size(), 1);
  const std::vector<SequenceRows> sequences(contexts.size(), SequenceRows{1, 1});
  std::vector<Index> positions;
  for (const Context* context : contexts) {
    PITH_CHECK(&context->engine() == &engine, "contexts of one engine");
    context->check_room(1);
    positions.push_back(context->next_position_);
  }
  std::vector<std::unique_ptr<Rollback>> rollbacks;
  for (Context* context : contexts) rollbacks.push_back(std::make_unique<Rollback>(*context));
  ReadPass pass(contexts, rows, nullptr);
  const auto hidden = forward(engine.model(), {tokens, positions, sequences, false},
                              engine.options().numerics, pass, engine.workspace(), engine.pool());
  const auto V = static_cast<std::size_t>(engine.config().vocabulary);
  std::vector<float> logits(V * contexts.size());
  compute_logits(engine.model(), hidden, engine.options().numerics, engine.workspace(),
                 engine.pool(), logits);
  std::vector<std::vector<float>> after;  // [contexts][V]
  for (std::size_t s = 0; s < contexts.size(); ++s) {
    const auto own = std::span(logits).subspan(s * V, V);
    after.emplace_back(own.begin(), own.end());
    contexts[s]->tokens_.push_back(tokens[s]);
    ++contexts[s]->next_position_;
  }
  for (std::size_t s = 0; s < contexts.size(); ++s) {
    contexts[s]->logits_ = std::move(after[s]);
    rollbacks[s]->keep();
  }
}

void Context::save(const std::filesystem::path& path, const std::string& recipe) const {
  cache::save(cache_,
              {.version = 0,
               .model_name = engine_->config().name,
               .model_hash = engine_->model().hash(),
               .recipe = recipe,
               .tokens = tokens_,
               .next_position = next_position_},
              path);
}

Context Context::load(std::shared_ptr<Engine> engine, const std::filesystem::path& path,
                      std::string* recipe) {
  cache::Snapshot snapshot = cache::load(path);
  if (snapshot.info.model_hash != engine->model().hash())
    fail(ErrorCode::bad_input,
         fmt::format("{} was saved from the model '{}' of hash {:016x}; the model loaded now is "
                     "'{}' of hash {:016x}. Load that model with -m (`pith inspect MODEL` prints "
                     "its hash), or read the document again",
                     path.string(), snapshot.info.model_name, snapshot.info.model_hash,
                     engine->config().name, engine->model().hash()));
  const auto& shape = snapshot.cache.shape();
  const cache::Shape expected = engine->cache_shape();
  if (shape.layers != expected.layers || shape.kv_heads != expected.kv_heads ||
      shape.head_dim != expected.head_dim || shape.windows != expected.windows)
    fail(ErrorCode::bad_file,
         fmt::format("{}: its cache has the shape of another model", path.string()));
  if (!snapshot.cache.rotation().like(engine->cache_rotation()))
    fail(ErrorCode::bad_input,
         fmt::format("{}: its keys are rotated by other frequencies than those of the model loaded "
                     "now, which has the same weights but another rope.freq_base or rope.scaling. "
                     "Load the model file that it was saved from with -m, or read the document "
                     "again",
                     path.string()));
  for (Token token : snapshot.info.tokens)
    if (token < 0 || token >= engine->config().vocabulary)
      fail(ErrorCode::bad_file,
           fmt::format("{}: token {} is not in the vocabulary", path.string(), token));
  if (snapshot.info.next_position != std::ssize(snapshot.info.tokens))
    fail(ErrorCode::bad_file,
         fmt::format("{}: its next position is {} behind {} tokens; save the context again",
                     path.string(), snapshot.info.next_position, snapshot.info.tokens.size()));
  if (recipe) *recipe = std::move(snapshot.info.recipe);
  Context context(std::move(engine), std::move(snapshot.cache));
  context.tokens_ = std::move(snapshot.info.tokens);
  context.next_position_ = snapshot.info.next_position;
  return context;
}

}  // namespace pith
