// The second moment of each KV head's rotated queries, summed while a context reads: what keys are
// rounded for (cache/key_rounding.h). Of every fourth token: neighbours look alike.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/config.h"
#include "recipe/signals.h"

namespace pith {

class RotatedMoments {
 public:
  explicit RotatedMoments(const ModelConfig& config);

  // Queries [R, Hq, D] of the tokens from `first` on. Sums do not depend on how tokens are cut into
  // chunks.
  void add(Index layer, Index first, std::span<const float> queries, ThreadPool& pool);
  // Means, or zeros where nothing was added.
  void write(recipe::Signals& signals) const;

 private:
  Index heads_, group_, head_dim_;
  struct Layer {
    std::vector<float> sum;  // [Hkv, D, D]
    Index count = 0;         // queries of each KV head
  };
  std::vector<Layer> layers_;
};

}  // namespace pith
