#include "base/thread_pool.h"

#include <immintrin.h>
#include <sched.h>

namespace pith {
namespace {

// About 60 microseconds: longer than the serial stretch between two loops of a decode step, where a
// sleep and a wake-up would cost more than the loop; short enough to leave a shared core alone.
constexpr int kSpins = 4000;

int available_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  if (threads <= 0) threads = available_cores();
  for (int t = 1; t < threads; ++t) workers_.emplace_back([this, t] { work(t); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::take_items(int thread) {
  if (fixed_) {
    for (Index i = thread; i < items_; i += size()) (*body_)(i, thread);
    return;
  }
  for (;;) {
    const Index i = next_.fetch_add(1, std::memory_order_relaxed);
    if (i >= items_) return;
    (*body_)(i, thread);
  }
}

void ThreadPool::work(int thread) {
  std::uint32_t seen = 0;
  for (;;) {
    for (int spin = 0; spin < kSpins && round_.load(std::memory_order_acquire) == seen; ++spin)
      _mm_pause();
    round_.wait(seen, std::memory_order_acquire);
    if (stop_) return;
    ++seen;
    take_items(thread);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

void ThreadPool::start_and_wait(Index items, const LoopBody& body, bool fixed) {
  body_ = &body;
  items_ = items;
  fixed_ = fixed;
  next_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  take_items(0);
  for (int spin = 0; spin < kSpins && busy_.load(std::memory_order_acquire) != 0; ++spin)
    _mm_pause();
  for (int left = busy_.load(std::memory_order_acquire); left != 0;
       left = busy_.load(std::memory_order_acquire))
    busy_.wait(left, std::memory_order_acquire);
}

void ThreadPool::run(Index items, LoopBody body) {
  if (items <= 0) return;
  if (workers_.empty() || items == 1) {
    for (Index i = 0; i < items; ++i) body(i, 0);
    return;
  }
  start_and_wait(items, body, false);
}

void ThreadPool::run_static(Index items, LoopBody body) {
  if (items <= 0) return;
  if (workers_.empty()) {
    for (Index i = 0; i < items; ++i) body(i, 0);
    return;
  }
  start_and_wait(items, body, true);
}

}  // namespace pith
