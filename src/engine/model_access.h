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

 private:
  const Context& context_;
  const recipe::Signals& signals_;
  Progress progress_;
};

// Tokens [begin, end) cut into turns of at most `most` tokens, where sentences begin if that leaves
// no turn shorter than half of that.
std::vector<std::pair<Index, Index>> turns_of(Index begin, Index end, Index most,
                                              std::span<const std::int32_t> sentence_starts);

}  // namespace pith
