// Shows how far a long step has come: a bar on a terminal; elsewhere a line after two seconds, and
// then one every five. It measures nothing by itself.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/types.h"

namespace pith {

enum class ProgressUnit { bytes, items };

struct ProgressState {
  std::string_view label;
  Index done = 0;
  Index total = 0;  // 0: unknown
  Index before =
      0;  // what was already there when the step began; it does not count towards the speed
  double seconds = 0;
  ProgressUnit unit = ProgressUnit::bytes;
};

// One line without its end: label, bar, amount, speed and the time that is left, as far as they are
// known.
std::string render_progress(const ProgressState& state, int width);

class ProgressBar {
 public:
  explicit ProgressBar(ProgressUnit unit = ProgressUnit::bytes, std::FILE* out = stderr);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();  // ends the line

  // Another label begins another step; the detail, shown behind it, may change within one. Cheap
  // enough to be called often: it draws ten times a second at most.
  void update(std::string_view label, Index done, Index total, std::string_view detail = "");

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Index done, Index total, Clock::time_point now);
  void end_step();

  ProgressUnit unit_;
  std::FILE* out_;
  bool terminal_;
  std::string label_, detail_;
  Index before_ = 0, done_ = 0, total_ = 0;
  Clock::time_point start_, drawn_;
  bool drawn_once_ = false;  // of this step
  bool open_ = false;        // a line on the terminal that is not ended yet
};

}  // namespace pith
