// Conversation: many turns in one cache that stays small, because finished turns are compressed
// once each and what was looked at least is evicted past a size. It does nothing on its own: work
// begins when it is asked for. docs/conversations.md tells how.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pith/answer.h"
#include "pith/engine.h"
#include "pith/export.h"

namespace pithkv {

struct ConversationState;  // src/api/conversation.cpp

struct ConversationOptions {
  std::string system = {};      // system text
  std::string recipe = "full";  // of each finished turn; budgets count against the turn
  std::int64_t over_bytes = 0;  // evict when the cache is larger than this; 0: never
  double evict_to = 0.75;       // ... until it is this share of over_bytes, above 0 and at most 1
  std::filesystem::path store = {};  // folder of compressed turns, used again; empty: none

  // Evicted entries are kept as "int4" or "int2", apart from the cache, and come back when a
  // question looks at them: at a turn at most so many, the mean over layers and KV heads. They lie
  // in memory, or in a mapped file in `cold_folder`. Empty: what is evicted is gone.
  std::string cold = {};
  std::filesystem::path cold_folder = {};
  std::int64_t recall_entries = 96;

  std::int64_t max_tokens = 512;       // of an answer
  double temperature = 0;              // 0: the likeliest token, always
  std::uint64_t seed = 0;              // of the draws of other temperatures
  std::vector<std::string> stop = {};  // an answer ends before the first of these
};

// Counted since the conversation began or was loaded, but for what is there now.
struct ConversationAccount {
  std::int64_t turns = 0;       // that were said
  std::int64_t compressed = 0;  // finished turns that the recipe was carried out on
  std::int64_t from_store = 0;  // ... that were found in the store
  std::int64_t stored = 0;      // ... that were written there
  std::int64_t fallbacks = 0;   // ... for which it could not be done as asked: notes say why
  std::int64_t evictions = 0;   // times

  std::int64_t evicted = 0, recalled = 0;           // entries
  double compress_seconds = 0, recall_seconds = 0;  // evicting counts as compressing

  std::int64_t tokens = 0, entries = 0;           // now; entries over all layers and KV heads
  std::int64_t cache_bytes = 0, full_bytes = 0;   // now; the full bf16 cache of the same tokens
  std::int64_t cold_entries = 0, cold_bytes = 0;  // now; not part of the cache
};

// May be used from any thread. One that was moved from can only be assigned to or destroyed.
class PITH_API Conversation {
 public:
  // Throws bad_recipe for a recipe that cannot compress turn by turn, bad_input for options out of
  // range (a store that is a file, too), io for a store that cannot be made.
  explicit Conversation(const Engine& engine, const ConversationOptions& options = {});
  // Goes on where a saved one ended; all but its last turn stays as it was saved. One that was
  // saved before its first turn begins anew. Throws as Context::load, too.
  static Conversation load(const Engine& engine, const std::filesystem::path& file,
                           const ConversationOptions& options = {});
  // The cache alone: what is cold is not saved. Where the model's range has no room for the last
  // answer's last token, the file is without it. The file appears whole or not at all. Throws io,
  // or not_found for its folder.
  void save(const std::filesystem::path& file);

  Conversation(Conversation&&) noexcept;
  Conversation& operator=(Conversation&&) noexcept;
  ~Conversation();  // gives background work up

  // Reads the user's text and answers it. Background work goes on meanwhile. Throws bad_input when
  // the model's range ends; nothing has changed then.
  Answer say(std::string_view text, const OnText& on_text = {});

  // Compresses finished turns and evicts, if there is anything to do: on threads that run only when
  // no other wants a core; what is done is taken over at the next turn. The last turn stays exact.
  void compress_in_background();
  // ... or now, until it is done.
  void compress_now();
  // Gives up what either of them is doing or waits to do, within the layer or the step at hand;
  // turns that are done by then stay so. Nothing is lost: the rest stays exact for now. Like every
  // call here it waits for its turn with the engine, behind a say() or another context's call that
  // is under way; and it returns when the work has ended.
  void stop();
  // In the background. Waits for its turn with the engine, too, but not for that work.
  bool working() const;

  ConversationAccount account() const;
  // What went wrong at no turn's cost (a budget that a turn could not meet, a full disk) since the
  // last call, for people.
  std::vector<std::string> take_notes();

 private:
  PITH_HIDDEN explicit Conversation(std::unique_ptr<ConversationState> state);
  std::unique_ptr<ConversationState> state_;
};

}  // namespace pithkv
