// Fidelity: how far the predictions from a compressed cache are from those of the full one, token
// by token. Pure functions over logits; what text they are of is the caller's business.
#pragma once

#include <span>

#include "base/types.h"

namespace pith::probe {

// KL(full || other) of the two softmax distributions, in nats.
double kl_divergence(std::span<const float> full, std::span<const float> other);  // [V] logits

// Means over the rows of a text.
struct Fidelity {
  Index rows = 0;
  double kl = 0;              // nats per token
  double top1 = 0;            // share of rows whose likeliest token is the full cache's
  double surprisal = 0;       // of the text's own tokens, nats per token
  double surprisal_full = 0;  // the same from the full cache

  void add(std::span<const float> full, std::span<const float> other, Index next);  // one row
  void add(const Fidelity& other);  // the rows of another text
};

}  // namespace pith::probe
