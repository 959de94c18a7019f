#include <algorithm>

#include "recipe/row_kernels_body.h"

namespace pith::recipe {

const RowKernels& row_kernels_avx2();
const RowKernels& row_kernels_avx512();

const RowKernels& row_kernels(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return row_kernels_avx512();
    case Isa::avx2:
      return row_kernels_avx2();
    case Isa::scalar:
      break;
  }
  return kKernels;
}

const RowKernels& row_kernels() {
  static const RowKernels& active = row_kernels(active_isa());
  return active;
}

Panels::Panels(Index n, Index depth)
    : count(ceil_div(n, kPanel)), data(static_cast<std::size_t>(count * depth * kPanel)) {}

Panels::Panels(std::span<const float> rows, Index n, Index depth) : Panels(n, depth) {
  for (Index i = 0; i < n; ++i) {
    float* panel = data.data() + i / kPanel * depth * kPanel + i % kPanel;
    for (Index k = 0; k < depth; ++k) panel[k * kPanel] = rows[i * depth + k];
  }
}

Panels Panels::of_columns(std::span<const float> matrix, Index n) {
  const Index depth = std::ssize(matrix) / n;
  Panels out(n, depth);
  for (Index p = 0; p < out.count; ++p)
    for (Index k = 0; k < depth; ++k)
      std::copy_n(matrix.data() + k * n + p * kPanel, std::min(kPanel, n - p * kPanel),
                  out.data.data() + (p * depth + k) * kPanel);
  return out;
}

namespace {

// [rows, columns] of rows [rows, depth] times what the panels hold.
std::vector<float> times(std::span<const float> a, Index rows, const Panels& panels, Index columns,
                         Index depth) {
  const Index stride = panels.count * kPanel;
  std::vector<float> wide(static_cast<std::size_t>(rows * stride));
  row_kernels().multiply(a.data(), rows, panels.data.data(), panels.count, depth, wide.data(),
                         stride);
  if (stride == columns) return wide;
  std::vector<float> out(static_cast<std::size_t>(rows * columns));
  for (Index i = 0; i < rows; ++i) std::copy_n(&wide[i * stride], columns, &out[i * columns]);
  return out;
}

}  // namespace

std::vector<float> times_transposed(std::span<const float> a, Index rows, std::span<const float> b,
                                    Index columns, Index depth) {
  return times(a, rows, Panels(b, columns, depth), columns, depth);
}

std::vector<float> product(std::span<const float> a, Index rows, std::span<const float> b,
                           Index columns) {
  return times(a, rows, Panels::of_columns(b, columns), columns, std::ssize(b) / columns);
}

std::vector<float> gram(std::span<const float> a, Index rows, Index depth) {
  constexpr Index kTogether = 8;  // panels, which share what they read of `a`
  const Panels panels(a, rows, depth);
  const Index stride = panels.count * kPanel;
  std::vector<float> wide(static_cast<std::size_t>(rows * stride));
  for (Index p = 0; p < panels.count; p += kTogether) {
    const Index count = std::min(kTogether, panels.count - p);
    row_kernels().multiply(a.data(), std::min(rows, (p + count) * kPanel),
                           panels.data.data() + p * depth * kPanel, count, depth,
                           wide.data() + p * kPanel, stride);
  }
  std::vector<float> out(static_cast<std::size_t>(rows * rows));
  for (Index i = 0; i < rows; ++i)
    for (Index j = i; j < rows; ++j) out[i * rows + j] = out[j * rows + i] = wide[i * stride + j];
  return out;
}

}  // namespace pith::recipe
