// Virtual tokens (S2, "compress, then evict", V. Kalugotla): embeddings, fewer than a turn's
// tokens, optimised until the values that they produce in every layer are the pooled values of the
// turn. The turn's entries then give way to theirs. Turns are taken one after another on top of
// what is already compressed, so drift accumulates as it would in a conversation.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/learned/encoder_pass.h"
#include "engine/learned/training.h"
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

// Where a training diverges or is stopped, the turn keeps its exact entries.
struct VirtualReport : TrainingReport {
  Index tokens = 0;
  Index entries = 0;            // of each lane
  Index hits = 0, targets = 0;  // of the loss of tokens: how many are predicted, of how many
};

// Reads `turn` into the context and replaces its entries by virtual ones. Entries that were there
// before stay as they are. `number` counts the turns of a context from 0.
VirtualReport read_as_virtual(Context& context, std::span<const Token> turn, Index number,
                              const VirtualOptions& options, const OnStep& on_step = {},
                              const Checkpoint& checkpoint = {});

}  // namespace pith
