#include <algorithm>
#include <vector>

#include "kernels/linear.h"

namespace pith {
namespace {

constexpr Index kColumns = 256;  // of the weights at once: a multiple of every type's block
constexpr Index kRows = 16;      // dequantised together: their transposed stores share cache lines

// w[:, first .. first + count) as f32, transposed: out [count, N].
void dequantize_transposed(const WeightMatrix& w, Index first, Index count, float* out,
                           ThreadPool& pool) {
  pool.run(ceil_div(w.rows, kRows), [&](Index block, int) {
    float rows[kRows * kColumns];
    const Index begin = block * kRows, some = std::min(kRows, w.rows - begin);
    for (Index n = 0; n < some; ++n)
      dequantize(w, begin + n, first, count,
                 std::span(rows + n * count, static_cast<std::size_t>(count)));
    for (Index k = 0; k < count; ++k)
      for (Index n = 0; n < some; ++n) out[k * w.rows + begin + n] = rows[n * count + k];
  });
}

}  // namespace

void multiply_transposed(std::span<const float> y, Index tokens, const WeightMatrix& w,
                         std::span<float> x, ThreadPool& pool) {
  Activations activations;
  activations.prepare(y, tokens, w.rows, Numerics::exact, pool);
  std::vector<float> block(static_cast<std::size_t>(std::min(kColumns, w.cols) * w.rows));
  for (Index first = 0; first < w.cols; first += kColumns) {
    const Index count = std::min(kColumns, w.cols - first);
    dequantize_transposed(w, first, count, block.data(), pool);
    const Product product{
        {WeightType::f32, count, w.rows, reinterpret_cast<const std::byte*>(block.data())},
        nullptr,
        x.data() + first,
        w.cols};
    multiply(activations, std::span(&product, 1), pool);
  }
}

}  // namespace pith
