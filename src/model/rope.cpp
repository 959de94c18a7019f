#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pith {
namespace {

constexpr std::size_t kMostDim = 1024;  // of a head (config.cpp)

// YaRN (Peng et al. 2023, arXiv 2309.00071), eq. 19-23: frequencies that turn fast stay, slow ones
// are divided by the factor, with a ramp between the components that make beta_fast and beta_slow
// turns over the original context.
void apply_yarn(const RopeScaling& scaling, double base, Index head_dim,
                std::vector<double>& inverse) {
  const auto component_of = [&](double turns) {
    return static_cast<double>(head_dim) *
           std::log(static_cast<double>(scaling.original_context) /
                    (turns * 2 * std::numbers::pi)) /
           (2 * std::log(base));
  };
  const double low = std::max(0.0, std::floor(component_of(scaling.beta_fast)));
  const double high =
      std::min(static_cast<double>(head_dim - 1), std::ceil(component_of(scaling.beta_slow)));
  for (std::size_t i = 0; i < inverse.size(); ++i) {
    const double ramp =
        std::clamp((static_cast<double>(i) - low) / std::max(0.001, high - low), 0.0, 1.0);
    inverse[i] = inverse[i] / scaling.factor * ramp + inverse[i] * (1 - ramp);
  }
}

}  // namespace

RopeFrequencies rope_frequencies(const ModelConfig& config, const LayerConfig& layer,
                                 std::span<const float> factors) {
  RopeFrequencies result;
  result.inverse.resize(static_cast<std::size_t>(config.head_dim / 2));
  for (std::size_t i = 0; i < result.inverse.size(); ++i) {
    result.inverse[i] = std::pow(
        layer.rope_base, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim));
    if (!factors.empty()) result.inverse[i] /= static_cast<double>(factors[i]);
  }
  if (!layer.rope_scaled) return result;
  const auto& scaling = config.rope_scaling;
  if (scaling.kind == RopeScaling::Kind::linear)
    for (auto& frequency : result.inverse) frequency /= scaling.factor;
  if (scaling.kind == RopeScaling::Kind::yarn) {
    apply_yarn(scaling, layer.rope_base, config.head_dim, result.inverse);
    result.magnitude =
        static_cast<float>(scaling.attention_factor * (1.0 + 0.1 * std::log(scaling.factor)));
  }
  return result;
}

void to_halves(float* head, Index head_dim) {
  float copy[kMostDim];
  std::copy_n(head, head_dim, copy);
  for (Index i = 0; i < head_dim / 2; ++i) {
    head[i] = copy[2 * i];
    head[i + head_dim / 2] = copy[2 * i + 1];
  }
}

void to_neighbours(float* head, Index head_dim) {
  float copy[kMostDim];
  std::copy_n(head, head_dim, copy);
  for (Index i = 0; i < head_dim / 2; ++i) {
    head[2 * i] = copy[i];
    head[2 * i + 1] = copy[i + head_dim / 2];
  }
}

RopeAngles rope_angles(const RopeFrequencies& frequencies, std::span<const Index> positions) {
  const std::size_t half = frequencies.inverse.size();
  RopeAngles angles;
  angles.cos.resize(positions.size() * half);
  angles.sin.resize(positions.size() * half);
  for (std::size_t t = 0; t < positions.size(); ++t)
    for (std::size_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(positions[t]) * frequencies.inverse[i];
      angles.cos[t * half + i] = static_cast<float>(std::cos(angle)) * frequencies.magnitude;
      angles.sin[t * half + i] = static_cast<float>(std::sin(angle)) * frequencies.magnitude;
    }
  return angles;
}

const RopeAngles& RopeAngleCache::of(const RopeFrequencies& frequencies) {
  for (const auto& [set, angles] : made_)
    if (set == frequencies) return angles;
  return made_.emplace_back(frequencies, rope_angles(frequencies, positions_)).second;
}

}  // namespace pith
