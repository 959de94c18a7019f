// Column sums and maxima of a layer's attention while threads compute it: each thread has its own,
// merged in thread order, so that the sums do not depend on the schedule. Which column a weight
// belongs to is the collector's business.
#pragma once

#include <algorithm>
#include <vector>

#include "cache/attention.h"
#include "recipe/signals.h"

namespace pith {

class AttentionSums {
 public:
  struct Thread {
    std::vector<float> sum, max;  // [Hq, T], as far as they are asked for
    bool used = false;
  };

  AttentionSums(const recipe::SignalNeeds& needs, Index threads)
      : sum_(needs.attention_sum),
        max_(needs.attention_max),
        threads_(static_cast<std::size_t>(sum_ || max_ ? threads : 0)) {}

  // Those of the block's thread; `size` is Hq * T.
  Thread& of(const cache::WeightBlock& block, Index size) {
    Thread& own = threads_[static_cast<std::size_t>(block.thread)];
    if (sum_) own.sum.resize(static_cast<std::size_t>(size));
    if (max_) own.max.resize(static_cast<std::size_t>(size));
    own.used = true;
    return own;
  }

  // Adds all to the layer's signals and begins anew.
  void merge(recipe::LayerSignals& layer) {
    for (Thread& own : threads_) {
      if (!own.used) continue;
      for (std::size_t i = 0; i < own.sum.size(); ++i) layer.attention_sum[i] += own.sum[i];
      for (std::size_t i = 0; i < own.max.size(); ++i)
        layer.attention_max[i] = std::max(layer.attention_max[i], own.max[i]);
      std::fill(own.sum.begin(), own.sum.end(), 0.0f);
      std::fill(own.max.begin(), own.max.end(), 0.0f);
      own.used = false;
    }
  }

 private:
  bool sum_, max_;
  std::vector<Thread> threads_;
};

}  // namespace pith
