#include "cli/interrupt.h"

#include <chrono>

namespace pith::cli {
namespace {

volatile sig_atomic_t interrupts = 0;

}  // namespace

Interrupt::Interrupt() {
  interrupts = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { interrupts = 1; };
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0;  // reading input ends, too
  ::sigaction(SIGINT, &action, &before_);
}

Interrupt::~Interrupt() { ::sigaction(SIGINT, &before_, nullptr); }

bool Interrupt::came() const { return interrupts != 0; }
void Interrupt::clear() { interrupts = 0; }

InterruptWatch::InterruptWatch(const Interrupt& interrupt)
    : thread_([this, &interrupt](std::stop_token over) {
        while (!over.stop_requested() && !interrupt.came())
          std::this_thread::sleep_for(std::chrono::milliseconds(10));
        if (interrupt.came()) stop_.request_stop();
      }) {}

}  // namespace pith::cli
