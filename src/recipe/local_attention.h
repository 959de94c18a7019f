// Attention inside one chunk of the context without a causal mask: the raw material of non_causal
// and compactor, computed by the engine while the context is read. It is no part of the model's own
// attention.
#pragma once

#include <span>
#include <vector>

#include "recipe/signals.h"

namespace pith::recipe {

// Column sums of softmax(scale q k') for one query head; `padding` rows of zeros join both sides.
void local_attention_columns(std::span<const float> queries,  // [n, D], rotated
                             std::span<const float> keys,     // [n, D], rotated
                             Index depth, float scale, Index padding, std::span<float> columns);

// Logits are multiplied by this, and a chunk of n tokens is filled up by as many zeros.
inline float local_scale(const LocalAttention& kind, float attention_scale) {
  return kind.kvpress ? 1.0f : attention_scale;
}
inline Index local_padding(const LocalAttention& kind, Index n) {
  return kind.kvpress ? kind.chunk - n : 0;
}

// The signal of this kind: [Hq, T], or nothing if it was not collected.
std::span<const float> local_attention(const Signals& signals, Index layer,
                                       const LocalAttention& kind);

}  // namespace pith::recipe
