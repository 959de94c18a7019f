// Counts the seconds since it was made. It knows no time of day and shows nothing.
#pragma once

#include <chrono>

namespace pith {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace pith
