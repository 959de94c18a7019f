// Sums and maxima of a layer's attention while threads compute it: each thread has its own, merged
// in thread order, so that the sums do not depend on the schedule. Which place a weight belongs to
// is the observer's business.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "cache/attention.h"

namespace pith {

class AttentionSums {
 public:
  struct Thread {
    std::vector<float> sum, max;  // [size], as far as they are asked for
    bool used = false;
  };
  struct Asked {
    bool sum = false, max = false;
  };

  AttentionSums(Asked asked, Index threads)
      : asked_(asked), threads_(static_cast<std::size_t>(asked.sum || asked.max ? threads : 0)) {}

  // Those of the block's thread; `size` is the same for all blocks of a layer.
  Thread& of(const cache::WeightBlock& block, Index size) {
    Thread& own = threads_[static_cast<std::size_t>(block.thread)];
    if (asked_.sum) own.sum.resize(static_cast<std::size_t>(size));
    if (asked_.max) own.max.resize(static_cast<std::size_t>(size));
    own.used = true;
    return own;
  }

  // Adds all to a layer's arrays ([size], or empty if not asked for) and begins anew.
  void merge(std::span<float> sum, std::span<float> max) {
    for (Thread& own : threads_) {
      if (!own.used) continue;
      for (std::size_t i = 0; i < own.sum.size(); ++i) sum[i] += own.sum[i];
      for (std::size_t i = 0; i < own.max.size(); ++i) max[i] = std::max(max[i], own.max[i]);
      std::fill(own.sum.begin(), own.sum.end(), 0.0f);
      std::fill(own.max.begin(), own.max.end(), 0.0f);
      own.used = false;
    }
  }

 private:
  Asked asked_;
  std::vector<Thread> threads_;
};

}  // namespace pith
