// A keeper holds a context to its recipe's budget while it reads and writes: after every chunk, or
// whenever it is told. It collects the signals as tokens come, because a context that was
// compressed cannot be watched anew. When it acts is its caller's schedule (schedule.h).
//
// Budgets count against all tokens that were read: a fraction or a ratio leaves after many
// compressions the share that it would leave after one. A budget for which the tokens so far are
// too few is met as soon as it can be; of a document that is read, at the latest at its end.
#pragma once

#include <memory>
#include <string>

#include "engine/compress.h"
#include "engine/context.h"
#include "engine/reading.h"
#include "recipe/recipe.h"

namespace pith {

class StreamCollector;

class Keeper {
 public:
  // The context must be empty. Throws bad_recipe for a recipe whose signals cannot be collected
  // piece by piece, or which looks at the question.
  Keeper(Context& context, const recipe::Recipe& recipe, const ReadOptions& options);
  ~Keeper();

  // Reads tokens and compresses after every `chunk` of them, and at the end.
  void read(std::span<const Token> tokens, Index chunk);
  // Reads tokens and compresses nothing.
  void append(std::span<const Token> tokens);
  // Reads a piece of a document and compresses; before the last one, that may wait.
  void read_piece(std::span<const Token> tokens, bool last);
  // Carries out the recipe on the cache as it is.
  void compress();
  // The same, but a budget that grows with the tokens waits while they are too few: returns why.
  std::string compress_or_wait();

  Index compressions() const { return compressions_; }
  const CompressionReport& report() const { return report_; }  // of all of them together
  const ReadTimes& times() const { return times_; }
  // The most that tiles of the cache held at any time: of this context alone, and with the forks
  // on which the context was replayed.
  Index peak_cache_bytes() const { return peak_cache_bytes_; }
  Index peak_bytes() const;

 private:
  void replay_new_tokens(recipe::Signals& signals);
  void note_peak();

  Context& context_;
  recipe::Recipe recipe_;
  recipe::SignalNeeds needs_;
  ReadOptions options_;
  std::unique_ptr<StreamCollector> collector_;
  CompressionReport report_;
  ReadTimes times_;
  Index compressions_ = 0, replayed_ = 0, measured_ = 0, peak_cache_bytes_ = 0;
};

// What is left of a document that was read under the schedule chunk:N.
struct KeptReading {
  CompressionReport report;
  ReadTimes times;
  Index peak_cache_bytes = 0, peak_bytes = 0;  // as Keeper's
};
KeptReading read_in_chunks(Context& context, std::span<const Token> tokens,
                           const recipe::Recipe& recipe, Index chunk, const ReadOptions& options);

}  // namespace pith
