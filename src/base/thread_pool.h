// A small pool of threads for data-parallel loops; the caller takes part. It is not a task
// scheduler: one loop runs at a time.
#pragma once

#include <atomic>
#include <exception>
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

inline constexpr int kMostThreads = 1024;  // that users may ask for: a slip of the pen is more

class ThreadPool {
 public:
  // `threads` counts the caller; 0 takes one per available core. Throws unsupported where the
  // system does not give so many.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(item, thread) once for every item in [0, items), in any order and on any thread in
  // [0, size()), and returns when all are done. Items are handed out one by one, so a result must
  // depend on its item alone: then it is the same bits for any schedule. Not re-entrant. Fewer
  // than 2^31 items. What a body throws first leaves here once all threads are done with the loop;
  // items that were not begun by then are left out, so results are void. The pool can go on.
  void run(Index items, LoopBody body);

  // The same with a fixed assignment: item i belongs to share i % size(), which is what `thread`
  // then names, and the items of a share run in order, one at a time. For accumulators per share
  // whose sum must not depend on the schedule.
  void run_static(Index items, LoopBody body);

 private:
  void work(int thread);
  bool take_item(int thread);
  void join();

  std::vector<std::thread> workers_;
  const LoopBody* body_ = nullptr;
  std::uint32_t items_ = 0;
  // The number of the loop in the high half, how many of its items are not yet taken in the low
  // one. Taking an item lowers the word, which fails if the loop is no longer the current one. So
  // a worker that was asleep finds nothing, and nobody waits for it: on a busy machine it may be
  // milliseconds until it has a core.
  alignas(64) std::atomic<std::uint64_t> untaken_{0};
  alignas(64) std::atomic<std::int32_t> unfinished_{0};
  alignas(64) std::atomic<std::uint32_t> loops_{0};
  std::atomic<bool> stop_{false};
  std::atomic<bool> failed_{false};  // an item of this loop threw ...
  std::exception_ptr error_;         // ... this; the first one's, read when all items are done
};

}  // namespace pith
