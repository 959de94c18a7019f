// What a summary loses of the keys that it stands for: length, and the logits that queries give it.
// Pure functions; which summaries a cache has is the caller's business.
//
// A summary's key is the mean of keys that are rotated already (S0). Averaging n keys that agree
// before rotation shrinks the component of frequency theta to |sin(n theta / 2) / (n sin(theta /
// 2))| of its length: only slow components survive, so queries that would match a key match its
// summary less.
#pragma once

#include <span>

#include "base/types.h"

namespace pith::probe {

// The factor above: for 32 keys |sin(16 theta) / (32 sin(theta / 2))|.
double rotation_shrinkage(double theta, Index n);

struct SummaryLoss {
  Index summaries = 0;
  double norm = 0;        // |mean key| / mean |key|: mean over summaries
  double logit = 0;       // scale * q . mean key: mean over summaries and queries
  double best_logit = 0;  // scale * max_j q . k_j, the same mean
  double log_sum = 0;  // log sum_j exp(scale * q . k_j): what an entry that stands for all of them
                       // would have to score for the same mass
  void add(const SummaryLoss& other);
};

// One summary against the keys of its span. log_weight is added to its logit.
SummaryLoss summary_loss(std::span<const float> keys,     // [n, D]
                         std::span<const float> summary,  // [D]
                         std::span<const float> queries,  // [m, D]
                         float scale, float log_weight);

}  // namespace pith::probe
