// Attention inside one chunk of the context without a causal mask: the raw material of non_causal
// and compactor, computed by the engine while the context is read. It is no part of the model's own
// attention.
#pragma once

#include <span>
#include <vector>

#include "recipe/row_kernels.h"
#include "recipe/signals.h"

namespace pith::recipe {

// The keys of a chunk with `padding` rows of zeros behind them; the heads of a group share them.
Panels local_panels(std::span<const float> keys, Index depth, Index padding);  // [n, D], rotated

// Column sums of softmax(scale q k') for one query head; as many rows of zeros join the queries.
void local_attention_columns(std::span<const float> queries, const Panels& keys,  // [n, D], rotated
                             Index depth, float scale, Index padding,
                             std::span<float> columns);  // [n]

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
