// What may watch a context while it reads: queries, hidden states and attention weights, layer by
// layer. An observer never changes what is computed.
#pragma once

#include <span>

#include "base/types.h"
#include "cache/attention.h"

namespace pith {

class ReadObserver {
 public:
  virtual ~ReadObserver() = default;

  virtual void begin_chunk(Index /*first token*/, Index /*rows*/) {}
  // The attention block's input (normalised) and the queries before rotation; only if
  // wants_unrotated().
  virtual bool wants_unrotated() const { return false; }
  virtual void unrotated(Index /*layer*/, std::span<const float> /*hidden [R, E]*/,
                         std::span<const float> /*queries [R, Hq, D]*/) {}
  // What the cache takes up, before attention.
  virtual void stored(Index /*layer*/, std::span<const float> /*keys [R, Hkv, D], rotated*/,
                      std::span<const float> /*values [R, Hkv, D]*/) {}
  virtual void rotated(Index /*layer*/, std::span<const float> /*queries [R, Hq, D]*/) {}
  // A tap for the attention weights of this layer, or null.
  virtual cache::AttentionTap* tap(Index /*layer*/) { return nullptr; }
  virtual void end_layer(Index /*layer*/) {}
};

}  // namespace pith
