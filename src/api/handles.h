// What is inside the handles of include/pith/, for the faces of this repository that speak to
// deeper layers, too. It is not installed.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "engine/engine.h"
#include "pith/engine.h"

namespace pithkv {

// An engine does one thing at a time: whoever computes waits here for a turn.
struct SharedEngine {
  explicit SharedEngine(std::shared_ptr<pith::Engine> loaded) : engine(std::move(loaded)) {}

  // Runs `work` as the only one that uses the engine. Throws bad_input where the calling thread has
  // the turn already, which it would wait for forever.
  template <typename F>
  auto in_turn(F&& work) {
    const Turn now(*this);
    return std::forward<F>(work)();
  }

  const std::shared_ptr<pith::Engine> engine;

 private:
  class Turn {
   public:
    explicit Turn(SharedEngine& shared);
    ~Turn() { shared_.holder_ = std::thread::id(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    SharedEngine& shared_;
    std::unique_lock<std::mutex> lock_;
  };

  std::mutex mutex_;
  std::atomic<std::thread::id> holder_{};
};

struct Handles {
  static Engine wrap(std::shared_ptr<pith::Engine> engine) {
    return Engine(std::make_shared<SharedEngine>(std::move(engine)));
  }
  static const std::shared_ptr<SharedEngine>& of(const Engine& engine) { return engine.shared_; }
};

}  // namespace pithkv
