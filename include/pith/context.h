// Context: a document that a model has read, and the KV cache that is left of it. Nothing changes
// it: compressing makes another one, and questions are answered on forks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pith/answer.h"
#include "pith/export.h"
#include "pith/progress.h"

namespace pithkv {

class Engine;
struct ContextState;  // src/api/context.cpp

struct AskOptions {
  std::int64_t max_tokens = 64;
  double temperature = 0;              // 0: the likeliest token, always
  std::uint64_t seed = 0;              // of the draws of other temperatures
  std::vector<std::string> stop = {};  // the answer ends before the first of these
  OnText on_text = {};                 // may be empty
};

// What a compressed cache still repeats of a sample of its document (docs/guard.md).
struct Check {
  double repeats = 0;  // of the tokens that the whole cache repeats, the share that it does, too;
                       // NaN where that is none
  double known = 0;    // share of the sample that the whole cache repeats
  double rise = 0;     // of -log p of the sample over the whole cache's, nats per token
  std::int64_t spans = 0;  // of 32 tokens, drawn evenly from the document
};

struct CompressOptions {
  std::optional<std::string> question = std::nullopt;  // for recipes that look at it
  OnProgress on_progress = {};  // of recipes that optimise and of `auto`; may be empty
};

// Made by Engine::read. May be used from any thread; one that was moved from can only be assigned
// to or destroyed.
class PITH_API Context {
 public:
  // What save() wrote. Throws not_found, bad_file for a damaged file, bad_input for one of another
  // model. Signals are not saved: such a context answers, but cannot be compressed.
  static Context load(const Engine& engine, const std::filesystem::path& file);
  // The file appears whole or not at all. Throws io, or not_found for its folder.
  void save(const std::filesystem::path& file) const;

  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;
  ~Context();

  // A context with the same past; costs no entry memory.
  Context fork() const;

  // A compressed fork; this context stays whole. `recipe` must be one that Engine::read was told
  // of, or look at nothing that was not collected for those. Recipes that look at the question need
  // one. `auto` (or `... @ auto(risk=0.1)`) picks the ratio for this document (docs/guard.md):
  // recipe() tells which. Throws bad_recipe, bad_budget (saying the least that can be met),
  // bad_input or cancelled.
  Context compress(std::string_view recipe, const CompressOptions& options = {}) const;

  // How much of the document a cache that was compressed from this one still repeats; this one must
  // be whole, and not from a file. No question and no answer is looked at. Throws bad_input, also
  // where the model's range has no room behind the document, or cancelled.
  Check check(const Context& compressed, const OnProgress& on_progress = {}) const;

  // Answers on a fork: every question finds the context as it is. Throws bad_input.
  Answer ask(std::string_view question, const AskOptions& options = {}) const;

  const std::string& recipe() const;  // that was carried out; "full" before any
  const std::string& note() const;    // for people: an optimisation that failed; mostly empty
  std::int64_t tokens() const;        // read, chat template included
  std::int64_t entries() const;       // of the cache, over all layers and KV heads
  std::int64_t cache_bytes() const;   // allocated
  std::int64_t full_bytes() const;    // of the full bf16 cache of the same tokens

 private:
  friend class Engine;
  PITH_HIDDEN explicit Context(std::unique_ptr<ContextState> state);
  std::unique_ptr<ContextState> state_;
};

// A recipe with presets and defaults written out: "knorm @ 2x" is "knorm + uniform + drop + bf16 @
// 2x". Throws bad_recipe (with the nearest known name) or bad_budget.
PITH_API std::string canonical_recipe(std::string_view recipe);

}  // namespace pithkv
