// What a model is, as data: shapes, norms, rotation and windows, read from a GGUF file. No weights
// and no arithmetic.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"
#include "gguf/gguf.h"

namespace pith {

enum class Activation { silu, gelu_tanh };

// Which components of a head are rotated together: neighbours (2i, 2i+1), or halves (i, i + D/2).
// Queries and keys leave the model as halves in either case; for neighbours the components are
// reordered on the way.
enum class RopePairs { neighbours, halves };

struct RopeScaling {
  enum class Kind { none, linear, yarn } kind = Kind::none;
  double factor = 1;
  double attention_factor = 1;
  Index original_context = 0;
  double beta_fast = 32, beta_slow = 1;
};

struct LayerConfig {
  Index window = 0;         // 0: full attention; else keys within the last `window` positions
  double rope_base = 1e4;   // of this layer
  bool rope_scaled = true;  // whether the model's scaling applies to this layer
};

struct ModelConfig {
  std::string architecture;  // as in the file: llama, qwen2, qwen3, gemma3
  std::string name;          // for people
  Index width = 0;           // E
  Index query_heads = 0;     // Hq
  Index kv_heads = 0;        // Hkv
  Index head_dim = 0;        // D
  Index hidden = 0;          // FF
  Index vocabulary = 0;      // V
  Index context_length = 0;  // positions that the model was trained for
  float norm_eps = 1e-5f;
  float attention_scale = 0;  // multiplies q.k
  float embedding_scale = 1;
  float logit_softcap = 0;  // 0 = none
  Activation activation = Activation::silu;
  RopePairs rope_pairs = RopePairs::neighbours;
  RopeScaling rope_scaling;
  bool qkv_bias = false, qk_norm = false, post_norms = false;
  std::vector<LayerConfig> layers;  // [L]

  Index layer_count() const { return static_cast<Index>(layers.size()); }
  Index group() const { return query_heads / kv_heads; }
};

// Throws bad_model naming the key for an unknown architecture, a missing or impossible value.
ModelConfig read_config(const gguf::File& file);

}  // namespace pith
