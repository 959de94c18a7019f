// Virtual tokens (S2, "compress, then evict", V. Kalugotla): embeddings, fewer than a turn's
// tokens, optimised until the values that they produce in every layer are the pooled values of the
// turn. The turn's entries then give way to theirs. Turns are taken one after another on top of
// what is already compressed, so drift accumulates as it would in a conversation.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/learned/encoder_pass.h"
#include "model/gradient.h"

namespace pith {

enum class Pooling { surprisal, mean, equal_surprisal, attention };
enum class Exempt { nothing, unlike, code };                 // tokens that stay exact: see exempt.h
enum class VirtualLoss { values, keys_and_values, tokens };  // tokens: cramming.h

// Another start than the plain means of the chunks' embeddings (encoder_training.h, and
// virtual(encoder=FILE)).
struct VirtualStart {
  std::function<std::vector<float>(const TurnRows&)> embeddings;  // [n_v, E]; none or empty: means
  std::function<void(std::span<const float>)> learn;  // is told the loss's gradient at the start
};

struct VirtualOptions {
  double ratio = 2;             // tokens per virtual token
  Index steps_per_250 = 300;    // optimisation steps for every 250 tokens of the turn ...
  Index least_steps = 100;      // ... and at least so many
  double learning_rate = 3e-3;  // Adam, betas 0.9 and 0.999, epsilon 1e-8
  double noise = 0;             // standard deviation added to the initial embeddings
  std::uint64_t seed = 42;      // of that noise, with the turn's number
  Pooling pooling = Pooling::surprisal;
  VirtualLoss loss = VirtualLoss::values;
  Exempt exempt = Exempt::nothing;
  std::vector<std::vector<float>> attention;  // [L][N] of Pooling::attention: each token's part
  VirtualStart start;
};

struct VirtualReport {
  Index tokens = 0;
  Index entries = 0;  // of each lane; where they were trained (learned_entries.h), of all together
  Index steps = 0;
  float first_loss = 0, last_loss = 0;
  Index hits = 0, targets = 0;  // of the loss of tokens: how many are predicted, of how many
  bool diverged = false;        // not a finite number: the turn kept its exact entries
};

// Called after every step with steps done, steps to do and the loss; false stops, and the turn
// keeps its exact entries.
using OnStep = std::function<bool(Index, Index, float)>;

// Adam (Kingma and Ba 2015, arXiv 1412.6980) over one vector, with its moments; and with decoupled
// weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101).
struct Adam {
  explicit Adam(std::size_t size) : first(size), second(size) {}
  void step(std::span<const float> gradient, double learning_rate, std::span<float> x);

  std::vector<float> first, second;
  double first_power = 1, second_power = 1;
  double second_decay = 0.999, weight_decay = 0;  // settings, not state
};

// An optimisation as it stands: from here it goes on to the same bits.
struct VirtualState {
  Index step = 0;  // steps taken
  float first_loss = 0, last_loss = 0;
  std::vector<float> embeddings;  // [n_v, E]
  Adam adam{0};
  Index best_hits = -1;     // of the loss of tokens: the most that an iterate predicted, ...
  std::vector<float> best;  // ... and it [n_v, E]; empty for other losses
};

// Where an optimisation goes on and what is told of it on the way: now and then, and at its end.
struct Checkpoint {
  std::optional<VirtualState> state;
  std::function<void(const VirtualState&)> keep;
  double seconds = 60;  // between two calls
};

// When a checkpoint is due. The state that an optimisation begins from is not told again.
class CheckpointClock {
 public:
  CheckpointClock(const Checkpoint& checkpoint, Index begun)
      : checkpoint_(checkpoint), begun_(begun) {}
  void tell(const VirtualState& state, bool ends);

 private:
  const Checkpoint& checkpoint_;
  Index begun_;
  std::chrono::steady_clock::time_point kept_ = std::chrono::steady_clock::now();
};

// Input embeddings [tokens, E], after the model's scale.
std::vector<float> token_embeddings(const Engine& engine, std::span<const Token> tokens);

// Reads `turn` into the context and replaces its entries by virtual ones. Entries that were there
// before stay as they are. `number` counts the turns of a context from 0.
VirtualReport read_as_virtual(Context& context, std::span<const Token> turn, Index number,
                              const VirtualOptions& options, const OnStep& on_step = {},
                              const Checkpoint& checkpoint = {});

}  // namespace pith
