#include <algorithm>
#include <vector>

#include "kernels/linear.h"
#include "kernels/linear_transposed_kernels.h"

namespace pith {
namespace {

constexpr Index kLeastColumns = 32;  // of a range: those of a panel

// Without kernels: row by row, in double.
void columns_by_rows(const TransposedRange& range) {
  const WeightMatrix& w = *range.weights;
  const auto* y = static_cast<const float*>(range.y);
  const auto size = static_cast<std::size_t>(range.count);
  std::vector<float> row(size);
  std::vector<double> sums(static_cast<std::size_t>(range.tokens) * size);
  for (Index n = 0; n < w.rows; ++n) {
    dequantize(w, n, range.first, range.count, row);
    for (Index t = 0; t < range.tokens; ++t) {
      const auto factor = static_cast<double>(y[t * range.y_stride + n]);
      double* to = sums.data() + t * range.count;
      for (Index k = 0; k < range.count; ++k)
        to[k] += factor * static_cast<double>(row[static_cast<std::size_t>(k)]);
    }
  }
  for (Index t = 0; t < range.tokens; ++t)
    for (Index k = 0; k < range.count; ++k) {
      float& x = range.x[t * w.cols + range.first + k];
      const double sum = sums[static_cast<std::size_t>(t * range.count + k)];
      x = static_cast<float>(range.add ? double{x} + sum : sum);
    }
}

}  // namespace

const TransposedKernels* transposed_kernels(Isa isa) {
  if (isa == Isa::avx512) return &transposed_kernels_avx512();
  return isa == Isa::avx2 ? &transposed_kernels_avx2() : nullptr;
}

void multiply_transposed(std::span<const float> y, Index tokens, const WeightMatrix& w,
                         Numerics numerics, std::span<float> x, ThreadPool& pool, Isa isa,
                         bool add) {
  const TransposedKernels* kernels = transposed_kernels(isa);
  const bool rounded = kernels && kernels->fast && numerics == Numerics::fast;
  TransposedRange all{&w, w.row_bytes(), y.data(), w.rows, tokens, x.data(), add, 0, 0};
  if (rounded) {
    thread_local std::vector<bf16> halves;  // kept: its pages would be new at every call
    all.y_stride = round_up(w.rows, Index{2});
    const auto size = static_cast<std::size_t>(tokens * all.y_stride);
    if (halves.size() < size) halves.resize(size);
    pool.run(tokens, [&, to = halves.data()](Index t, int) {
      bf16* row = to + t * all.y_stride;
      row[all.y_stride - 1] = {};
      kernels->round(y.data() + t * w.rows, w.rows, row);
    });
    all.y = halves.data();
  }
  const auto run = !kernels ? columns_by_rows : rounded ? kernels->fast : kernels->exact;
  // Wide ranges read weights in long pieces; as many as there are threads, or a multiple.
  const Index unit = std::max(kLeastColumns, info(w.type).block), units = ceil_div(w.cols, unit);
  const Index least = round_up(ceil_div(w.cols, kTransposedColumns), Index{pool.size()});
  const Index step = ceil_div(units, std::min(units, least)) * unit;
  pool.run(ceil_div(w.cols, step), [&](Index item, int) {
    TransposedRange range = all;
    range.first = item * step;
    range.count = std::min(step, w.cols - range.first);
    run(range);
  });
}

}  // namespace pith
