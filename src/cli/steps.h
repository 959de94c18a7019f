// Progress of the engine's long steps on standard error: a step that will be over in two seconds
// stays silent. How a bar looks is decided in base/progress.h.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/progress.h"
#include "base/stopwatch.h"
#include "engine/context.h"

namespace pith::cli {

class StepProgress {
 public:
  explicit StepProgress(std::string label) : label_(std::move(label)) {}

  // For the engine. The returned function must not outlive this object.
  Progress callback();

 private:
  void update(Index done, Index total);

  std::string label_;
  std::optional<Stopwatch> watch_;  // since the first call
  std::optional<ProgressBar> bar_;
};

// Says on standard error what goes on if that takes more than two seconds: for waits before the
// first amount of a step is known. It ends, unsaid, with this object.
class LateNote {
 public:
  explicit LateNote(std::string text);
  LateNote(const LateNote&) = delete;
  LateNote& operator=(const LateNote&) = delete;
  ~LateNote();

 private:
  std::string text_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace pith::cli
