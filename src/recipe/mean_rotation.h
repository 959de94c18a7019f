// The mean of the rotations by positions first .. first + count - 1: what queries that are still to
// come will have undergone on average. No rotation of entries: that is the cache's.
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "recipe/scene.h"

namespace pith::recipe {

// A cosine and a sine per pair. The sum of e^(i p w) is geometric: its mean is m e^(i c w) at the
// middle position c, with m = sin(count w / 2) / (count sin(w / 2)).
struct MeanRotation {
  std::vector<float> cosine, sine;  // [D/2]
  MeanRotation(std::span<const double> frequencies, Index first, Index count) {
    const double n = static_cast<double>(count);
    const double middle = static_cast<double>(first) + (n - 1) / 2;
    for (double w : frequencies) {
      const double half = std::sin(w / 2);
      const double length = half == 0 ? 1 : std::sin(n * w / 2) / (n * half);
      cosine.push_back(static_cast<float>(length * std::cos(middle * w)));
      sine.push_back(static_cast<float>(length * std::sin(middle * w)));
    }
  }
  // x <- R x for x[0], x[stride], ...
  void apply(float* x, Index stride) const {
    const Index half = std::ssize(cosine);
    for (Index i = 0; i < half; ++i) {
      const float a = x[i * stride], b = x[(i + half) * stride];
      x[i * stride] = a * cosine[i] - b * sine[i];
      x[(i + half) * stride] = b * cosine[i] + a * sine[i];
    }
  }
};

// Over the `count` positions after the context.
inline MeanRotation future_rotation(const Scene& scene, Index layer, Index count) {
  const auto& frequencies = scene.cache().rotation().inverse_frequencies;  // empty: no rotation
  return MeanRotation(frequencies.empty() ? std::span<const double>() : frequencies[layer],
                      scene.signals().next_position, count);
}

}  // namespace pith::recipe
