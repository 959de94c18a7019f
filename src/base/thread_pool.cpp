#include "base/thread_pool.h"

#include <fmt/format.h>
#include <immintrin.h>
#include <sched.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

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
  try {
    for (int t = 1; t < threads; ++t) workers_.emplace_back([this, t] { work(t); });
  } catch (const std::exception& error) {  // no more threads, or no memory for their stacks
    join();
    fail(ErrorCode::unsupported,
         fmt::format("could start only {} of {} threads ({}); ask for fewer with --threads", size(),
                     threads, error.what()));
  }
}

ThreadPool::~ThreadPool() { join(); }

void ThreadPool::join() {
  stop_ = true;
  loops_.fetch_add(1, std::memory_order_release);
  loops_.notify_all();
  for (auto& worker : workers_) worker.join();
}

bool ThreadPool::take_item(int thread) {
  std::uint64_t untaken = untaken_.load(std::memory_order_acquire);
  do {
    if (static_cast<std::uint32_t>(untaken) == 0) return false;
  } while (!untaken_.compare_exchange_weak(untaken, untaken - 1, std::memory_order_acq_rel,
                                           std::memory_order_acquire));
  // The loop lasts at least until this item is done, so its body and its items stay what they are.
  if (!failed_.load(std::memory_order_relaxed)) {
    try {
      (*body_)(Index{items_} - static_cast<std::uint32_t>(untaken), thread);
    } catch (...) {
      if (!failed_.exchange(true, std::memory_order_relaxed)) error_ = std::current_exception();
    }
  }
  if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
  return true;
}

void ThreadPool::work(int thread) {
  for (;;) {
    const std::uint32_t seen = loops_.load(std::memory_order_acquire);
    if (stop_) return;
    while (take_item(thread)) {
    }
    for (int spin = 0; spin < kSpins && loops_.load(std::memory_order_acquire) == seen; ++spin)
      _mm_pause();
    loops_.wait(seen, std::memory_order_acquire);
  }
}

void ThreadPool::run(Index items, LoopBody body) {
  if (items <= 0) return;
  if (workers_.empty() || items == 1) {
    for (Index i = 0; i < items; ++i) body(i, 0);
    return;
  }
  body_ = &body;
  items_ = static_cast<std::uint32_t>(items);
  unfinished_.store(static_cast<std::int32_t>(items), std::memory_order_relaxed);
  const std::uint64_t loop = loops_.load(std::memory_order_relaxed) + 1;
  untaken_.store(loop << 32 | items_, std::memory_order_release);
  loops_.fetch_add(1, std::memory_order_release);
  loops_.notify_all();
  while (take_item(0)) {
  }
  for (int spin = 0; spin < kSpins && unfinished_.load(std::memory_order_acquire) != 0; ++spin)
    _mm_pause();
  for (auto left = unfinished_.load(std::memory_order_acquire); left != 0;
       left = unfinished_.load(std::memory_order_acquire))
    unfinished_.wait(left, std::memory_order_acquire);
  if (!failed_.load(std::memory_order_relaxed)) return;
  failed_.store(false, std::memory_order_relaxed);
  std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::run_static(Index items, LoopBody body) {
  const Index shares = std::min<Index>(items, size());
  run(shares, [&](Index share, int) {
    for (Index i = share; i < items; i += size()) body(i, static_cast<int>(share));
  });
}

}  // namespace pith
