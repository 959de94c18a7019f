// A model: its configuration, its weights in place (views into the mapped file) and its rotation.
// Immutable, shared by all contexts. It holds no cache and computes nothing; forward.h does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "kernels/linear.h"
#include "model/config.h"
#include "model/rope.h"

namespace pith {

struct LayerWeights {
  std::vector<float> attention_norm, ffn_norm;            // [E]
  std::vector<float> query_norm, key_norm;                // [D], or empty
  std::vector<float> post_attention_norm, post_ffn_norm;  // [E], or empty
  WeightMatrix query, key, value, output;  // [Hq*D, E], [Hkv*D, E], [Hkv*D, E], [E, Hq*D]
  std::vector<float> query_bias, key_bias, value_bias;  // [rows], or empty
  WeightMatrix gate, up, down;                          // [FF, E], [FF, E], [E, FF]
};

class Model {
 public:
  // Throws bad_model naming the tensor whose shape is not what the configuration says, or that the
  // layers hold without pith having a use for it.
  static Model load(const std::filesystem::path& path);
  static Model from(gguf::File file);

  const ModelConfig& config() const { return config_; }
  const gguf::File& file() const { return file_; }
  const LayerWeights& layer(Index l) const { return layers_[static_cast<std::size_t>(l)]; }
  const RopeFrequencies& rope(Index l) const { return rope_[static_cast<std::size_t>(l)]; }
  const WeightMatrix& embedding() const { return embedding_; }  // [V, E]
  const WeightMatrix& head() const { return head_; }  // [V, E]; the embedding where they are tied
  std::span<const float> output_norm() const { return output_norm_; }

  // Names the model's weights: a hash over the name and a sample of every tensor, none of the
  // metadata. Saved contexts are bound to it, and apart from it to shape and rotation.
  std::uint64_t hash() const { return hash_; }
  // The same, of a file that need not be one that pith can run.
  static std::uint64_t hash_of(const gguf::File& file);
  Index weight_bytes() const;  // of all tensors
  Index decode_bytes()
      const;  // that one decoded token reads: all but an embedding that is not the head as well

 private:
  explicit Model(gguf::File file) : file_(std::move(file)) {}
  gguf::File file_;
  ModelConfig config_;
  std::vector<LayerWeights> layers_;
  std::vector<RopeFrequencies> rope_;
  WeightMatrix embedding_, head_;
  std::vector<float> output_norm_;
  std::uint64_t hash_ = 0;
};

}  // namespace pith
