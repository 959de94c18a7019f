// A conversation of many turns in one context: the system text and the last turn as they were read,
// between them a block of entries for every finished turn (turn_block.h). It reads, answers,
// compresses what is finished, evicts and recalls; it prints nothing.
//
// A turn is compressed once, after the answer of the next one, on top of the blocks before it; so a
// block follows from the history alone, and one that is in the store is taken from there. Blocks
// are never changed: eviction and recall choose which of their entries are held.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/context.h"
#include "engine/conversation/block_store.h"
#include "engine/conversation/turn_frame.h"
#include "engine/generate.h"
#include "recipe/recipe.h"

namespace pith {

struct ConversationOptions {
  std::string system;
  std::optional<recipe::Recipe> recipe;  // of each turn; none: turns stay exact
  Index over_bytes = 0;                  // evict when the cache is larger than this; 0: never
  double evict_to = 0.75;                // of over_bytes
  std::filesystem::path store;           // folder of blocks; empty: none
  std::optional<cache::Format> cold;  // how evicted entries are kept for recall (packed ones alone
                                      // can be); none: they are not
  std::filesystem::path cold_folder;  // where a file holds cold entries; empty: they are in memory
  Index recall_entries = 96;          // that come back at a turn, at most: mean over lanes
  GenerateOptions generation;
};

// What became of one finished turn.
struct TurnReport {
  Index turn = 0;                 // counted from 1
  Index tokens = 0, entries = 0;  // entries over all lanes
  Index bytes = 0;                // of a block of its own
  std::string recipe;             // that was carried out
  bool from_store = false;
  double seconds = 0;
};

struct ConversationAccount {
  Index turns = 0, compressed = 0, from_store = 0, stored = 0, fallbacks = 0;
  Index evictions = 0, evicted = 0;                      // times, entries
  Index recalled = 0, cold_entries = 0, cold_bytes = 0;  // entries
  bool cold_on_disk = false;
  double compress_seconds = 0, recall_seconds = 0;
};

class ConversationWork;  // conversation_work.h
struct Eviction;         // eviction.h

class Conversation {
 public:
  // Throws bad_recipe for a recipe that cannot compress turn by turn, bad_input for a cold format
  // that is not packed or a store that is a file, io for one that cannot be made, and what
  // Calibration::of and Encoder::load do for files that the recipe looks up.
  Conversation(std::shared_ptr<Engine> engine, ConversationOptions options);
  // Goes on where a saved one ended, or begins anew where that had no turn yet. All but its last
  // turn stays as it was saved.
  Conversation(Context saved, ConversationOptions options);
  ~Conversation();  // gives background work up

  // Reads the user's text, which `reading` is told of, and answers. A stop string is no part of the
  // conversation. Throws bad_input when the model's range ends; nothing has changed then. Work in
  // the background goes on meanwhile; what is finished of it is taken over before and after.
  Generated say(std::string_view text, const OnText& on_text = {}, const Progress& reading = {});

  // Compresses finished turns and evicts, if there is anything to do: on threads of its own that
  // run only when nothing else wants to, ...
  void compress_in_background();
  // ... or now, until it is done or asked to stop. Turns that are done then are taken over.
  void compress_now(std::stop_token stop = {}, const Progress& progress = {});
  // Gives up what runs in the background, within the layer or the step at hand.
  void stop();
  bool working() const;

  // The context alone: what is cold is not saved. Where the model's range has no room for the last
  // answer's last token, the file is without it.
  void save(const std::filesystem::path& path);

  const Context& context() const { return context_; }
  const TurnFrame& frame() const { return frame_; }
  ConversationAccount account() const;
  // What happened since the last call.
  std::vector<TurnReport> take_reports() { return std::exchange(reports_, {}); }
  std::vector<std::string> take_notes() { return std::exchange(notes_, {}); }

 private:
  struct Background;

  std::vector<Token> encode(std::string_view text, bool first = false) const;
  void read_prefix();
  bool due() const;
  std::unique_ptr<ConversationWork> make_work() const;
  void run_idle(Background& job) noexcept;
  void take_over_if_done();
  void take_over(ConversationWork& work);
  void recall(std::span<const Token> question);
  cache::Cache take_out_of_cold(Eviction chosen);
  void add_cold(cache::Cache more);
  // The context, from blocks and what follows them; and taking them over, which throws nothing.
  Context rebuilt(const Context& blocks) const;
  void adopt(Context blocks, Context whole, BlockKey key) noexcept;

  std::shared_ptr<Engine> engine_, idle_engine_;
  ConversationOptions options_;
  std::string recipe_name_;  // for keys of blocks
  std::optional<BlockStore> store_;
  TurnFrame frame_;
  Context context_, blocks_;  // blocks_: the past before the first turn that has none
  BlockKey key_;              // of blocks_
  Index prefix_tokens_ = 0, answer_begin_ = 0;
  Index evicted_at_ = 0;  // turns that had begun when eviction last ran to its end
  std::vector<Index> turn_starts_;
  std::vector<Token> unread_;  // the end of the last answer that the context does not hold yet
  std::optional<cache::Cache> cold_, recalled_meanwhile_;
  std::unique_ptr<Background> background_;
  ConversationAccount account_;
  std::vector<TurnReport> reports_;
  std::vector<std::string> notes_;
};

}  // namespace pith
