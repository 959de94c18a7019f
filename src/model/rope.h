// Rotary position embedding: the frequencies of each layer and the angles of a run of positions.
// The rotation itself is a kernel (kernels/vector.h); moving cached keys is the cache's business.
#pragma once

#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "model/config.h"

namespace pith {

struct RopeFrequencies {
  std::vector<double> inverse;  // [D/2], radians per position, scaling included
  float magnitude = 1;          // multiplies rotated queries and keys (YaRN's attention factor)
  friend bool operator==(const RopeFrequencies&, const RopeFrequencies&) = default;
};

// `factors` ([D/2], or empty) divide the frequencies: Llama 3's rope_freqs.weight.
RopeFrequencies rope_frequencies(const ModelConfig& config, const LayerConfig& layer,
                                 std::span<const float> factors);

// Turns neighbouring pairs (2i, 2i + 1) of a head [D] into halves (i, i + D/2), the layout of
// everything behind the projection (RopePairs, config.h); and back.
void to_halves(float* head, Index head_dim);
void to_neighbours(float* head, Index head_dim);

// cos and sin of position * inverse[i], times the magnitude, for rows of positions.
struct RopeAngles {
  std::vector<float> cos, sin;  // [T, D/2]
};
RopeAngles rope_angles(const RopeFrequencies& frequencies, std::span<const Index> positions);

// The angles of the same positions for layer after layer. Layers of one model share few distinct
// frequency sets (one, or two with local windows): angles are made once per set.
class RopeAngleCache {
 public:
  explicit RopeAngleCache(std::vector<Index> positions = {}) : positions_(std::move(positions)) {}
  const RopeAngles& of(const RopeFrequencies& frequencies);  // stays where it is

 private:
  std::vector<Index> positions_;
  std::deque<std::pair<RopeFrequencies, RopeAngles>> made_;
};

}  // namespace pith
