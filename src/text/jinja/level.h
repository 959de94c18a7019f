// Guards that restore the evaluator's state when a block is left, by an error too. Private to the
// evaluator.
#pragma once

#include <fmt/format.h>

#include <utility>

#include "text/jinja/evaluator.h"

namespace pith::jinja {

// Sets a variable for the lifetime of the guard.
template <typename T>
class Switch {
 public:
  Switch(T& variable, T value)
      : variable_(variable), old_(std::exchange(variable, std::move(value))) {}
  ~Switch() { variable_ = std::move(old_); }
  Switch(const Switch&) = delete;
  Switch& operator=(const Switch&) = delete;

 private:
  T& variable_;
  T old_;
};

using Redirect = Switch<std::string*>;

// Counts recursion.
struct Evaluator::Level {
  explicit Level(Evaluator& owner) : evaluator(owner) {
    if (++evaluator.depth_ > evaluator.limits_.depth) {
      --evaluator.depth_;
      throw RuntimeError(
          fmt::format("the template recurses deeper than {} levels", evaluator.limits_.depth));
    }
  }
  ~Level() { --evaluator.depth_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;
  Evaluator& evaluator;
};

}  // namespace pith::jinja
