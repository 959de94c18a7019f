#include "engine/learned/training.h"

#include <cmath>

namespace pith {

void Adam::step(std::span<const float> gradient, double learning_rate, std::span<float> x) {
  constexpr double kFirst = 0.9, kEpsilon = 1e-8;
  first_power *= kFirst;
  second_power *= second_decay;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double g = double{gradient[i]};
    first[i] = static_cast<float>(kFirst * double{first[i]} + (1 - kFirst) * g);
    second[i] = static_cast<float>(second_decay * double{second[i]} + (1 - second_decay) * g * g);
    const double mean = double{first[i]} / (1 - first_power);
    const double square = double{second[i]} / (1 - second_power);
    x[i] -= static_cast<float>(
        learning_rate * (mean / (std::sqrt(square) + kEpsilon) + weight_decay * double{x[i]}));
  }
}

void CheckpointClock::tell(const TrainingState& state, bool ends) {
  if (!checkpoint_.keep || state.step <= begun_) return;
  if (!ends && kept_.seconds() <= checkpoint_.seconds) return;
  checkpoint_.keep(state);
  kept_ = {};
}

}  // namespace pith
