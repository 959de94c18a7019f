// Lends the model to recipe parts that must run it. See recipe/model_access.h for what they may
// ask.
#pragma once

#include "engine/context.h"
#include "recipe/model_access.h"
#include "recipe/signals.h"

namespace pith {

class EngineAccess final : public recipe::ModelAccess {
 public:
  // For the context that is being compressed; both must outlive this.
  EngineAccess(const Context& context, const recipe::Signals& signals, Progress progress)
      : context_(context), signals_(signals), progress_(std::move(progress)) {}

  std::vector<cache::NewEntries> virtual_entries(const recipe::VirtualRequest& request) override;

  // Queries of the newest turns as they were read on top of virtual entries [L][Hq, rows, D]; none
  // if no turn was.
  const std::vector<std::vector<float>>& tail_queries() const { return tail_queries_; }
  // Puts them in the place of the last window queries.
  void renew_window(recipe::Signals& signals) const;

 private:
  const Context& context_;
  const recipe::Signals& signals_;
  Progress progress_;
  std::vector<std::vector<float>> tail_queries_;
};

// Tokens [begin, end) cut into turns of at most `most` tokens, where sentences begin if that leaves
// no turn shorter than half of that.
std::vector<std::pair<Index, Index>> turns_of(Index begin, Index end, Index most,
                                              std::span<const std::int32_t> sentence_starts);
// The same where turns are known: from `begin` to the first turn, and each turn whole.
std::vector<std::pair<Index, Index>> turns_between(Index begin, Index end,
                                                   std::span<const std::int32_t> turn_starts);

}  // namespace pith
