// Progress of the engine's long steps on standard error: a step that will be over in two seconds
// stays silent. How a bar looks is decided in base/progress.h.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/progress.h"
#include "engine/context.h"

namespace pith::cli {

class StepProgress {
 public:
  explicit StepProgress(std::string label) : label_(std::move(label)) {}

  // For the engine. The returned function must not outlive this object.
  Progress callback();

 private:
  using Clock = std::chrono::steady_clock;
  void update(Index done, Index total);

  std::string label_;
  Clock::time_point start_;
  std::optional<ProgressBar> bar_;
};

}  // namespace pith::cli
