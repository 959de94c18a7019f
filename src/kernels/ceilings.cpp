#include "kernels/ceilings.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/stopwatch.h"
#include "kernels/ceilings_kernels.h"

namespace pith {
namespace {

constexpr Index kReadBytes = Index{192} << 20;  // several times the last-level cache
constexpr Index kReadItem = Index{1} << 20;
constexpr Index kRounds = 100'000;  // a few tenths of a millisecond
constexpr int kRepeats = 12;
constexpr int kReadRepeats = 5;

template <typename F>
double seconds(F f) {
  const Stopwatch watch;
  f();
  return watch.seconds();
}

double rate(const CeilingLoop& loop, ThreadPool& pool) {
  if (!loop.run) return 0;
  const Index items = 8 * pool.size();
  double best = 0;
  for (int i = 0; i < kRepeats; ++i) {
    const double time = seconds([&] { pool.run(items, [&](Index, int) { loop.run(kRounds); }); });
    best = std::max(best, loop.ops_per_round * static_cast<double>(kRounds * items) / time);
  }
  return best / 1e9;
}

double read_rate(const CeilingKernels& kernels, ThreadPool& pool) {
  const std::unique_ptr<void, void (*)(void*)> memory(std::aligned_alloc(4096, kReadBytes),
                                                      std::free);
  if (!memory) return 0;
  auto* bytes = static_cast<std::byte*>(memory.get());
  const Index items = kReadBytes / kReadItem;
  pool.run(items, [&](Index i, int) { std::memset(bytes + i * kReadItem, 1, kReadItem); });
  double best = 0;
  for (int i = 0; i < kReadRepeats; ++i) {
    const double time = seconds([&] {
      pool.run(items, [&](Index item, int) {
        volatile std::uint64_t sink = kernels.read(bytes + item * kReadItem, kReadItem);
        (void)sink;
      });
    });
    best = std::max(best, static_cast<double>(kReadBytes) / time);
  }
  return best / 1e9;
}

std::uint64_t read_scalar(const std::byte* p, Index bytes) {
  std::uint64_t sum = 0;
  for (Index i = 0; i < bytes; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, p + i, sizeof word);
    sum += word;
  }
  return sum;
}

void multiply_add_scalar(Index rounds) {
  float sums[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  for (Index r = 0; r < rounds; ++r)
    for (float& sum : sums) sum = sum * 0.5f + 1.0f;
  volatile float sink = sums[0] + sums[7];
  (void)sink;
}

const CeilingKernels& kernels_of(Isa isa) {
  static const CeilingKernels scalar = {
      read_scalar, {multiply_add_scalar, 16}, {nullptr, 0}, {nullptr, 0}};
  switch (isa) {
    case Isa::avx512:
      return ceiling_kernels_avx512();
    case Isa::avx2:
      return ceiling_kernels_avx2();
    case Isa::scalar:
      break;
  }
  return scalar;
}

}  // namespace

Ceilings measure_ceilings(ThreadPool& pool, Isa isa) {
  const CeilingKernels& kernels = kernels_of(isa);
  return {read_rate(kernels, pool), rate(kernels.f32, pool), rate(kernels.bf16, pool),
          rate(kernels.int8, pool)};
}

}  // namespace pith
