#include "cli/steps.h"

#include <chrono>
#include <cstdio>

namespace pith::cli {
namespace {

constexpr double kSilentSeconds = 2;

}  // namespace

Progress StepProgress::callback() {
  return [this](Index done, Index total) { update(done, total); };
}

void StepProgress::update(Index done, Index total) {
  if (!watch_) watch_.emplace();
  const double seconds = watch_->seconds();
  if (!bar_) {
    // The first call comes when a part is done already and starts the clock; from the second on the
    // whole step can be foreseen.
    const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
    if (seconds <= 0 || seconds < kSilentSeconds * share) return;
    bar_.emplace(ProgressUnit::items);
  }
  bar_->update(label_, done, total);
  if (done == total) bar_.reset();
}

LateNote::LateNote(std::string text) : text_(std::move(text) + "\n") {
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    const std::chrono::duration<double> silent(kSilentSeconds);
    if (!ended_.wait_for(lock, silent, [this] { return over_; })) std::fputs(text_.c_str(), stderr);
  });
}

LateNote::~LateNote() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  ended_.notify_one();
  thread_.join();
}

}  // namespace pith::cli
