// One piece of a conversation's work: finished turns become blocks, and what the last answer looked
// at least is evicted. It works on forks; the conversation takes its result over or leaves it.
#pragma once

#include "engine/conversation/conversation.h"

namespace pith {

class ConversationWork {
 public:
  struct Task {
    const ConversationOptions* options;  // of the conversation, which outlives the work
    const BlockStore* store;             // may be null
    Context blocks, live;                // forks
    BlockKey key;
    std::vector<Index> turn_starts;
    Index prefix_tokens, answer_begin;
    std::vector<Token> answer_prompt;
  };
  explicit ConversationWork(Task task) : task_(std::move(task)) {}

  // Lets no std::exception out: what goes wrong is noted, and turns that are done stay done. The
  // engine's stop token ends it early.
  void run(std::shared_ptr<Engine> engine, const Progress& progress);
  // Notes that the work was given up for an error, unless it was asked to stop.
  void note(const std::exception& error) noexcept;

  Context& blocks() { return task_.blocks; }
  const BlockKey& key() const { return task_.key; }
  std::optional<cache::Cache>& cold() { return cold_; }
  // Turns that had begun when eviction ran to its end, whether anything had to go; 0 if it did not.
  Index evicted_at() const { return evicted_at_; }
  const ConversationAccount& account() const { return account_; }
  std::vector<TurnReport>& reports() { return reports_; }
  std::vector<std::string>& notes() { return notes_; }

 private:
  std::span<const Token> tokens(Index begin, Index end) const;
  void compress_turn(Index begin, Index end, const Progress& progress);
  std::optional<BlockStore::Found> find(const BlockKey& key, std::span<const Token> turn);
  void store(const BlockKey& key, std::span<const Token> turn, const cache::Cache& entries,
             const std::string& recipe);
  // Blocks and what follows them, up to a token.
  Context assembled(const Context& blocks, Index end) const;
  void evict();
  // Blocks change together with their key. Throws nothing.
  void adopt(Context blocks, BlockKey key) noexcept;
  void add_cold(cache::Cache entries);

  Task task_;
  std::optional<cache::Cache> cold_;
  Index evicted_at_ = 0;
  ConversationAccount account_;
  std::vector<TurnReport> reports_;
  std::vector<std::string> notes_;
};

// Moves the entries of one cache behind those of another, which may not be there yet.
void extend(std::optional<cache::Cache>& cache, cache::Cache more);

}  // namespace pith
