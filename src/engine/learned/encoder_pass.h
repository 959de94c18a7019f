// One turn through an encoder and back: the starts of its chunks, and the gradient of a loss on
// them with respect to all weights. f32, one thread. It knows no model: embeddings come as rows.
#pragma once

#include <Eigen/Core>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/learned/encoder.h"
#include "engine/learned/pooling.h"

namespace pith {

// A turn as its optimisation sees it: the tokens that give way, in their order.
struct TurnRows {
  std::span<const float> embeddings;   // [N, E], after the model's scale
  std::span<const float> surprisal;    // [N] nats
  std::span<const TokenRange> chunks;  // that partition the tokens
};

// An encoder as what read_as_virtual() may start from.
std::function<std::vector<float>(const TurnRows&)> starts_of(
    std::shared_ptr<const Encoder> encoder);

class EncoderPass {
 public:
  // The weights must outlive the pass; they may change between a backward and the next forward.
  explicit EncoderPass(const EncoderWeights& weights);

  // The starts [chunks, E]. Keeps what backward() needs.
  std::vector<float> forward(const TurnRows& turn);
  // Adds the gradient with respect to the weights, given that with respect to the starts [chunks,
  // E].
  void backward(std::span<const float> dstarts, std::span<float> gradient);

 private:
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using ConstMap = Eigen::Map<const Matrix>;
  struct Layer {             // what a layer's backward pass needs
    Matrix input, middle;    // [N, W] residual stream before attention and before the ffn
    Matrix normed, normed2;  // [N, W]
    Matrix query, key, value, attended;  // [N, W]
    std::vector<Matrix> shares;          // [heads] of [N, 2 reach + 1]: softmax over distances
    Matrix up, active;                   // [N, FF] before and after the activation
  };

  ConstMap array(std::size_t index) const;
  Eigen::Map<Matrix> array_of(std::span<float> gradient, std::size_t index) const;
  std::size_t of_layer(std::size_t l, std::size_t which) const;

  void embed();
  void attention_forward(std::size_t l);
  void ffn_forward(std::size_t l);
  std::vector<float> pool();
  Matrix pool_backward(std::span<const float> dstarts, std::span<float> gradient);
  void ffn_backward(std::size_t l, Matrix& dx, std::span<float> gradient) const;
  void attention_backward(std::size_t l, Matrix& dx, std::span<float> gradient) const;
  void embed_backward(const Matrix& dx, std::span<float> gradient) const;

  const EncoderWeights& weights_;
  const EncoderShape& shape_;
  std::vector<EncoderArray> arrays_;
  Matrix rows_, inputs_;  // [N, E] embeddings; each divided by its root mean square
  std::vector<float> surprisal_;
  std::vector<TokenRange> chunks_;
  Matrix stream_, final_;  // [N, W] residual stream; the same, normed
  std::vector<Layer> layers_;
  std::vector<float> shares_;  // [N] of each token in its chunk
  Matrix pooled_;              // [chunks, W]
};

}  // namespace pith
