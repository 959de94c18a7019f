// Rounding of keys where queries look. What a lane answers depends on q.k alone, so of all codes of
// a key those are wanted whose error e leaves the least mean (q.e)^2 = e' M e under the second
// moment M of the queries that will look; queries are far from alike in all directions. Numbers are
// rounded one after another, and each makes up for the errors of those before it (successive
// rounding on a Cholesky factor: Babai's nearest plane, for weights of networks GPTQ, arXiv
// 2210.17323). It takes no byte more than rounding every number to its nearest code.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/quantize.h"

namespace pith::cache {

class KeyRounding {
 public:
  // `moment` [D, D]: the mean of q q', up to a factor; `rotated`: for keys that a Hadamard rotation
  // has spread. Mixed with a little of the identity, so that no direction is free. Of zeros, or
  // where it is no second moment: every number goes to its nearest code.
  KeyRounding(std::span<const float> moment, Index head_dim, bool rotated);

  // As quantize(), for integers.
  Grid quantize(Packing packing, const float* x, std::uint8_t* codes) const;  // [D], [D]

 private:
  Index head_dim_;
  std::vector<std::int32_t> order_;  // [D]: dimensions as they are rounded, the heaviest first
  std::vector<float> carry_;  // [D, D]: what row i's error adds to those after it, in that order
};

}  // namespace pith::cache
