// The forward pass of a decoder for a batch of token rows. Attention is left to the caller, who
// owns the caches: the model knows rows and layers, not contexts.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/model.h"

namespace pith {

// Rows of one sequence inside a batch.
struct SequenceRows {
  Index rows = 0;    // tokens of this sequence in the batch
  Index wanted = 0;  // of these, the last ones whose final hidden state is wanted
};

// What a forward pass asks of its caller, layer by layer, in this order: observe, store, attend.
class AttentionBackend {
 public:
  virtual ~AttentionBackend() = default;

  // Shows the attention block's input and the queries before rotation. Called only if
  // wants_queries().
  virtual void observe(Index /*layer*/, std::span<const float> /*hidden [R, E], normalised*/,
                       std::span<const float> /*queries [R, Hq, D], halves*/) {}
  virtual bool wants_queries() const { return false; }

  // Takes the new keys (rotated) and values of all rows.
  virtual void store(Index layer, std::span<const float> keys,  // [R, Hkv, D], halves
                     std::span<const float> values) = 0;        // [R, Hkv, D]

  // Attends with the queries of the last `rows[s]` tokens of each sequence s (all of them, except
  // in the last layer).
  virtual void attend(Index layer,
                      std::span<const float> queries,  // [sum rows, Hq, D], rotated, halves
                      std::span<const Index> rows,     // [sequences]
                      std::span<float> out) = 0;       // [sum rows, Hq, D]
};

struct Batch {
  std::span<const Token> tokens;            // [R], all sequences one after another
  std::span<const Index> positions;         // [R]
  std::span<const SequenceRows> sequences;  // rows sum to R
  bool whole_last_layer =
      false;  // compute queries and attention of all rows in the last layer too (signals need them)
};

// Buffers that a forward pass reuses. One per thread of control.
class ForwardWorkspace {
 public:
  ForwardWorkspace();
  ~ForwardWorkspace();
  ForwardWorkspace(ForwardWorkspace&&) noexcept;
  ForwardWorkspace& operator=(ForwardWorkspace&&) noexcept;
  void ignore_batch_size();  // Activations::ignore_batch_size(), for all products of a pass
  struct State;
  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// Runs all layers. Returns the final normalised hidden states of the wanted rows, [sum wanted, E];
// valid until the next call with the same workspace.
std::span<const float> forward(const Model& model, const Batch& batch, Numerics numerics,
                               AttentionBackend& attention, ForwardWorkspace& workspace,
                               ThreadPool& pool);

// Logits of hidden states: out [rows, V].
void compute_logits(const Model& model, std::span<const float> hidden,  // [rows, E]
                    Numerics numerics, ForwardWorkspace& workspace, ThreadPool& pool,
                    std::span<float> out);
// What compute_logits ends with: cap * tanh(x / cap) of every logit, and nothing where cap is 0.
void soft_cap(std::span<float> logits, float cap, ThreadPool& pool);

}  // namespace pith
