// A context: a model's engine, a cache and a position. It reads tokens, forks, takes plans, and is
// saved and loaded. Choosing tokens is sampling's business (generate.h), choosing what to keep a
// recipe's (compress.h).
//
// Reading and appending are all or nothing: when an error leaves (cancelled, no memory, bad_input,
// what a callback throws), the context is as it was before the call, whatever had been read by
// then; what an observer saw is void. Of read_one_each() that holds for all of its contexts.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cache/cache.h"
#include "cache/snapshot.h"
#include "engine/engine.h"

namespace pith {

class ReadObserver;  // engine/signals/observer.h

// Called with tokens done and tokens to do.
using Progress = std::function<void(Index, Index)>;

class Context {
 public:
  explicit Context(std::shared_ptr<Engine> engine);
  Context(Context&&) noexcept = default;
  Context& operator=(Context&&) noexcept = default;

  // A context with the same past. Costs no entry memory until one side appends.
  Context fork() const;
  // The same, read by another engine of the same model (Engine::sharing).
  Context fork_on(std::shared_ptr<Engine> engine) const;
  // The past before a token; that and all after it must be there exactly. No logits are left.
  Context until(Index token) const;

  // Throws bad_input where so many tokens more would leave the model's range, as reading them does.
  void check_room(Index tokens) const;

  // Takes entries that stand for `tokens`, the next ones, and were computed elsewhere on top of
  // this past; `logits` are those after the last of them, if they are known.
  void append(const cache::Cache& entries, std::span<const Token> tokens,
              std::span<const float> logits = {});

  // Appends tokens and computes the logits after the last one. Throws bad_input when the model's
  // range would be left.
  void read(std::span<const Token> tokens, ReadObserver* observer = nullptr,
            const Progress& progress = {});

  // The same, and returns the natural log-probability of every token but the first, given all
  // before it: [tokens - 1].
  std::vector<float> read_and_score(std::span<const Token> tokens, const Progress& progress = {},
                                    ReadObserver* observer = nullptr);

  // The same as read(), and shows the final, normalised hidden states of all rows, chunk by chunk:
  // [rows, E] of tokens[first], tokens[first + 1], ...
  using OnStates = std::function<void(Index first, std::span<const float> states)>;
  void read_states(std::span<const Token> tokens, const OnStates& on_states,
                   ReadObserver* observer = nullptr, const Progress& progress = {});

  // One token into each of several contexts of the same engine, computed together.
  static void read_one_each(std::span<Context* const> contexts, std::span<const Token> tokens);

  std::span<const float> logits() const {
    return logits_;
  }  // [V], after the last token read; empty before
  Index next_position() const {
    return next_position_;
  }  // tokens read so far; not the number of entries
  const std::vector<Token>& tokens() const { return tokens_; }

  const cache::Cache& cache() const { return cache_; }
  cache::Cache& cache() { return cache_; }
  Engine& engine() const { return *engine_; }
  const std::shared_ptr<Engine>& shared_engine() const { return engine_; }

  // Saved contexts are bound to the model by its hash and its rotation; load throws bad_input for
  // another model's file, bad_file for a damaged one. `recipe`, if it is not null, takes what
  // save() was given.
  void save(const std::filesystem::path& path, const std::string& recipe = "") const;
  static Context load(std::shared_ptr<Engine> engine, const std::filesystem::path& path,
                      std::string* recipe = nullptr);

 private:
  Context(std::shared_ptr<Engine> engine, cache::Cache cache);
  friend class ReadPass;
  class Rollback;

  // One chunk of a read: returns the hidden states of the last `wanted` rows.
  std::span<const float> read_chunk(std::span<const Token> tokens, Index wanted,
                                    ReadObserver* observer);
  std::vector<float> logits_after(std::span<const float> hidden);  // [E] of the last token -> [V]

  std::shared_ptr<Engine> engine_;
  cache::Cache cache_;
  std::vector<Token> tokens_;
  Index next_position_ = 0;
  std::vector<float> logits_;
};

}  // namespace pith
