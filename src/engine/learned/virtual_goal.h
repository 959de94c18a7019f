// What virtual embeddings of a turn are optimised for: a loss over what the frozen model makes of
// them behind what is in the cache, with its gradient. How they are optimised is virtual_tokens.h.
#pragma once

#include <optional>
#include <span>

#include "model/gradient.h"

namespace pith {

class VirtualGoal {
 public:
  virtual ~VirtualGoal() = default;

  // Runs the model over the embeddings [n_v, E] at their positions [n_v] and returns the loss.
  virtual float forward(std::span<const float> embeddings, std::span<const Index> positions) = 0;
  virtual std::span<const float> backward() = 0;  // [n_v, E] of the last forward()
  // Of the last forward(): the first n_v rows are those of the embeddings.
  virtual const RowEntries& entries() const = 0;

  // Of the turn's tokens, how many the last forward() predicted, if that is the goal, ...
  virtual std::optional<Index> hits() const { return std::nullopt; }
  virtual Index targets() const { return 0; }  // ... and of how many
  bool reached() const { return hits() && *hits() == targets(); }
};

}  // namespace pith
