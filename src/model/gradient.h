// Gradients with respect to input embeddings, and to the past entries where they are asked for: a
// forward pass over rows of embeddings that remembers what its backward pass needs, for losses on
// keys, values and final hidden states. Activation gradients only: weights never get any. Under
// fast numerics the forward products are those of model/forward.h, and gradients are those of the
// exact pass at what it computed, rounded to bf16 before products where the machine multiplies
// these faster. Attention is f32 always.
#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/linear.h"
#include "model/gradient_attention.h"
#include "model/model.h"

namespace pith {

// What the rows attend to besides themselves: entries of every lane, index layer * Hkv + head.
using PastLanes = std::vector<PastLane>;
using PastGradients = std::vector<LaneGradient>;

// Keys, values or their gradients, per layer: [L][R, Hkv, D]; keys rotated, components as halves.
struct RowEntries {
  std::vector<std::vector<float>> keys, values;
};

// Input embeddings [tokens, E], after the model's scale: what a gradient pass reads.
std::vector<float> token_embeddings(const Model& model, std::span<const Token> tokens);

// What few callers ask of a backward pass; the others do not pay for it.
struct BackwardExtras {
  PastGradients* past = nullptr;       // is set to the gradient of the past entries
  std::span<const float> stream = {};  // [R, E] a loss' gradient of GradientPass::stream()
  // Hears the gradient [R, E] of the residual stream between a layer's attention and its FFN.
  std::function<void(Index layer, std::span<const float>)> on_middle = {};
};

class GradientPass {
 public:
  // `layers` counts the layers whose keys and values are computed; nothing behind the last one's
  // is, unless they are all and `to_hidden` asks for the final hidden states.
  GradientPass(const Model& model, const PastLanes& past, Index layers, bool to_hidden,
               Numerics numerics, ThreadPool& pool);

  // Runs rows of embeddings (after the model's embedding scale) at their positions.
  void forward(std::span<const float> embeddings,  // [R, E]
               std::span<const Index> positions);  // [R]

  const RowEntries& entries() const { return entries_; }  // of `layers` layers
  std::span<const float> hidden() const {
    return hidden_;
  }  // [R, E] normalised; empty without
     // to_hidden

  // The residual stream [R, E] behind the last layer, before the output norm; needs to_hidden.
  std::span<const float> stream() const { return x_; }

  // The gradient with respect to the embeddings [R, E], given that of keys and values (layers or
  // whole vectors may be empty: zero) and of hidden states (may be empty).
  std::span<const float> backward(const RowEntries& entries, std::span<const float> hidden,
                                  const BackwardExtras& extras = {});

  Index bytes_per_row() const;  // of what is remembered

 private:
  struct Tape {                             // of one layer
    std::vector<float> input;               // [R, E] residual stream before the layer
    std::vector<float> raw_query, raw_key;  // [R, heads * D] before their norms; only with qk norms
    std::vector<float> query;               // [R, Hq, D] rotated
    std::vector<float> attended, log_sums;  // [R, Hq, D], [R, Hq]
    std::vector<float> raw_branch, raw_ffn;  // [R, E] before post norms; only with these
    std::vector<float> middle;               // [R, E] residual stream between the two blocks
    std::vector<float> gate, up;             // [R, FF]
  };

  void attention_forward(Index l);
  void ffn_forward(Index l);
  void attention_backward(Index l, const RowEntries& entries, PastGradients* past);
  void keys_backward(Index l, std::span<float> dkeys, std::span<float> dvalues,
                     std::span<float> dqueries);
  void ffn_backward(Index l);
  bool goes_on(Index l) const { return l + 1 < layers_ || to_hidden_; }

  AttentionShape attention_shape(Index l) const;
  AttentionRows attention_rows(Index l) const;
  struct Job {
    const WeightMatrix* weights;
    std::span<const float> bias;
    std::vector<float>* y;  // [R, N]
  };
  void normed(std::span<const float> x, std::span<const float> weight,
              std::vector<float>& out) const;
  void multiply_all(std::span<const float> x, std::initializer_list<Job> jobs);
  void back_through(std::span<const float> dy, const WeightMatrix& w, std::vector<float>& dx,
                    bool add = false) const;
  std::span<const float> through_post_norm(std::span<const float> raw, std::span<const float> norm);
  void shape_heads(std::span<float> x, Index heads, std::span<const float> norm) const;
  void unshape_heads(std::span<float> dx, std::span<const float> raw, Index heads,
                     std::span<const float> norm) const;
  void rotate(Index l, std::span<float> x, Index heads, bool back);

  const Model& model_;
  const ModelConfig& config_;
  const PastLanes& past_;
  Index layers_;
  bool to_hidden_;
  Numerics numerics_;
  ThreadPool& pool_;

  Index rows_ = 0;
  std::vector<Index> positions_;
  RopeAngleCache angles_, back_angles_;  // at these positions, and at their negatives
  std::vector<Tape> tapes_;
  RowEntries entries_;
  std::vector<float> x_;  // [R, E] residual stream
  std::vector<float> hidden_;
  std::vector<float> dx_;  // [R, E] its gradient

  // Working memory that is kept from layer to layer and step to step.
  Activations activations_;
  std::vector<float> in_, branch_, gated_, dgate_, dup_, dattended_, dqueries_;
};

}  // namespace pith
