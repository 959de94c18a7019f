// The virtual replay of echo: what the replay of KVzip would attend to, computed from the prefill's
// own queries. A query of chunk [a, b), rotated on by delta, stands where the same token of a copy
// would stand that is replayed behind the context; it looks at the sinks and at the whole chunk.
// As it is, it looks at its own past in the chunk, as the query of the copy looks at the copy. One
// softmax over both; the weight on the chunk counts. It assumes that hidden states of the copy are
// those of the original, which a real replay (replay.h) does not.
#pragma once

#include "engine/context.h"
#include "engine/signals/chunk_rows.h"
#include "recipe/row_kernels.h"
#include "recipe/signals.h"

namespace pith {

class EchoCollector {
 public:
  // Chunks begin after the chat prefix, whose tokens are never scored.
  EchoCollector(Engine& engine, Index chunk, Index prefix_tokens, Index tokens);

  void hidden(Index layer, Index first_token, std::span<const float> hidden);  // [R, E]
  void rotated(Index layer, Index first_token, Index rows, std::span<const float> queries,
               std::span<const float> keys);  // [R, Hq, D], [R, Hkv, D]

  // Fills `echo` and `echo_plus`; the latter needs the context's values.
  void finish(const Context& context, recipe::Signals& signals);

 private:
  struct Layer {
    std::vector<float> row_scale;      // [T]: 1 / ||hidden||
    std::vector<float> sinks;          // [Hkv, sinks, D]
    std::vector<float> plain, scaled;  // [Hq, T]: largest weight, and times row_scale
  };
  struct Seen {               // by the queries of one KV head's group
    recipe::Panels original;  // the chunk, then the sinks
    recipe::Panels past;      // the chunk alone, in place of the copy's own keys
  };
  Seen pack(Index kv_head, const ChunkRows::Chunk& chunk, const Layer& layer) const;
  void look(Index head, const ChunkRows::Chunk& chunk, const Seen& seen,
            std::span<const float> cosine, std::span<const float> sine, Layer& layer) const;

  Engine& engine_;
  Index chunk_, tokens_;
  ChunkRows rows_;
  std::vector<Layer> layers_;
};

}  // namespace pith
