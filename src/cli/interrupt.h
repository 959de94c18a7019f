// Ctrl-C, noticed instead of ending the process, for commands in which it ends what is going on and
// nothing else. While an Interrupt lives; there is one at a time.
#pragma once

#include <signal.h>

#include <stop_token>
#include <thread>

namespace pith::cli {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool came() const;
  void clear();

 private:
  struct sigaction before_;
};

// Turns an interrupt into a stop token: a signal handler may not ask for the stop itself.
class InterruptWatch {
 public:
  explicit InterruptWatch(const Interrupt& interrupt);
  std::stop_token token() const { return stop_.get_token(); }

 private:
  std::stop_source stop_;
  std::jthread thread_;
};

}  // namespace pith::cli
