// Rotary position embedding: the frequencies of each layer and the angles of a run of positions.
// The rotation itself is a kernel (kernels/vector.h); moving cached keys is the cache's business.
#pragma once

#include <span>
#include <vector>

#include "model/config.h"

namespace pith {

struct RopeFrequencies {
  std::vector<double> inverse;  // [D/2], radians per position, scaling included
  float magnitude = 1;          // multiplies rotated queries and keys (YaRN's attention factor)
};

// `factors` ([D/2], or empty) divide the frequencies: Llama 3's rope_freqs.weight.
RopeFrequencies rope_frequencies(const ModelConfig& config, const LayerConfig& layer,
                                 std::span<const float> factors);

// cos and sin of position * inverse[i], times the magnitude, for rows of positions.
struct RopeAngles {
  std::vector<float> cos, sin;  // [T, D/2]
};
RopeAngles rope_angles(const RopeFrequencies& frequencies, std::span<const Index> positions);

}  // namespace pith
