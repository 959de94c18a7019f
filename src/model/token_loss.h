// The loss of a language model: cross entropy of given tokens, or of given probabilities of a few
// of them, under final hidden states, with its gradient there. It runs the output matrix and
// nothing before it; where hidden states come from is model/gradient.h.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/model.h"

namespace pith {

struct WeightedToken {
  Index token = 0;
  float weight = 1;
};

// What one row shall predict: one token of weight 1, or a teacher's likeliest with their
// probabilities (which need not sum to 1); empty where nothing is asked of the row.
using RowTarget = std::vector<WeightedToken>;

struct TokenLoss {
  double loss = 0;    // nats: the mean over rows that have a target of - sum_v weight_v log p(v)
  Index targets = 0;  // these rows
  Index hits = 0;     // ... whose likeliest token is the target's heaviest
};

// `gradient` [R, E], if it is not empty, is set to that of the loss. Logits are held for as many
// rows at a time as take 64 MiB, and go back through the output matrix piece by piece. Fast
// numerics take the output matrix as the forward pass does, and its transpose in bf16.
TokenLoss token_loss(const Model& model, std::span<const float> hidden,  // [R, E], normalised
                     std::span<const RowTarget> targets,                 // [R]
                     std::span<float> gradient, Numerics numerics, ThreadPool& pool);

// The `count` likeliest tokens of every row with their probabilities, the likeliest first.
std::vector<RowTarget> likeliest_tokens(const Model& model, std::span<const float> hidden,
                                        Index count, Numerics numerics, ThreadPool& pool);

}  // namespace pith
