// Lends the model to recipe parts that must run it. See recipe/model_access.h for what they may
// ask.
#pragma once

#include <optional>

#include "engine/context.h"
#include "recipe/model_access.h"
#include "recipe/signals.h"

namespace pith {

class EngineAccess final : public recipe::ModelAccess {
 public:
  // For the context that is being compressed; all must outlive this. `before`, if there is one, is
  // what stays as it is, compressed or not: virtual entries stand for what follows it.
  EngineAccess(const Context& context, const recipe::Signals& signals, Progress progress,
               const Context* before = nullptr)
      : context_(context), signals_(signals), progress_(std::move(progress)), before_(before) {}

  std::vector<cache::NewEntries> virtual_entries(const recipe::VirtualRequest& request) override;
  void learn_entries(const recipe::LearnedRequest& request, const cache::Cache& cache,
                     cache::Plan& plan) override;

  // Queries of the newest turns as they were read on top of virtual entries [L][Hq, rows, D]; none
  // if no turn was.
  const std::vector<std::vector<float>>& tail_queries() const { return tail_queries_; }
  // Puts them in the place of the last window queries.
  void renew_window(recipe::Signals& signals) const;

  // Whether an optimisation ended above where it began, or at no number at all; or a training.
  struct Divergence {
    float first_loss = 0, last_loss = 0;
    double ratio = 0;  // that was asked for
  };
  const std::optional<Divergence>& divergence() const { return divergence_; }

 private:
  void refuse_compressed() const;

  const Context& context_;
  const recipe::Signals& signals_;
  Progress progress_;
  std::vector<std::vector<float>> tail_queries_;
  const Context* before_;
  std::optional<Divergence> divergence_;
};

// Tokens [begin, end) cut into turns of at most `most` tokens, where sentences begin if that leaves
// no turn shorter than half of that.
std::vector<std::pair<Index, Index>> turns_of(Index begin, Index end, Index most,
                                              std::span<const std::int32_t> sentence_starts);
// The same where turns are known: from `begin` to the first turn, and each turn whole.
std::vector<std::pair<Index, Index>> turns_between(Index begin, Index end,
                                                   std::span<const std::int32_t> turn_starts);

}  // namespace pith
