// A small pool of threads for data-parallel loops; the caller takes part. It is not a task
// scheduler: one loop runs at a time.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/types.h"

namespace pith {

// A view of a callable `void(Index item, int thread)` that outlives the call it is passed to.
class LoopBody {
 public:
  template <typename F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, LoopBody>)
      LoopBody(F&& f)  // NOLINT: implicit by design, like std::span
      : object_(const_cast<void*>(static_cast<const void*>(&f))),
        call_([](void* object, Index item, int thread) {
          (*static_cast<std::remove_reference_t<F>*>(object))(item, thread);
        }) {}
  void operator()(Index item, int thread) const { call_(object_, item, thread); }

 private:
  void* object_;
  void (*call_)(void*, Index, int);
};

class ThreadPool {
 public:
  // `threads` counts the caller; 0 takes one per available core.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(item, thread) once for every item in [0, items), in any order and on any thread in
  // [0, size()), and returns when all are done. Items are handed out one by one, so a result must
  // depend on its item alone: then it is the same bits for any schedule. Not re-entrant. A body
  // must not throw.
  void run(Index items, LoopBody body);

  // The same with a fixed assignment: item i runs on thread i % size(). For accumulators per thread
  // whose sum must not depend on the schedule.
  void run_static(Index items, LoopBody body);

 private:
  void work(int thread);
  void take_items(int thread);
  void start_and_wait(Index items, const LoopBody& body, bool fixed);

  std::vector<std::thread> workers_;
  const LoopBody* body_ = nullptr;
  Index items_ = 0;
  bool fixed_ = false;
  alignas(64) std::atomic<Index> next_{0};
  alignas(64) std::atomic<std::uint32_t> round_{0};
  alignas(64) std::atomic<int> busy_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace pith
