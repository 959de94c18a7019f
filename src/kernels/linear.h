// Matrix products of activations with weights as a GGUF file stores them, in both numeric modes, on
// every instruction set. It knows no model: only rows, columns and types.
//
//   y[t, n] = sum_k x[t, k] * w[n, k] (+ bias[n])        x [T, K], w [N, K], y [T, N]
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "base/thread_pool.h"
#include "base/types.h"
#include "kernels/isa.h"
#include "kernels/weight_type.h"

namespace pith {

// A weight matrix in place: usually a view into the mapped model file, which promises no more than
// 32-byte alignment of the first row.
struct WeightMatrix {
  WeightType type = WeightType::f32;
  Index rows = 0;  // N, outputs
  Index cols = 0;  // K, inputs; a multiple of the type's block
  const std::byte* data = nullptr;
  Index row_bytes() const { return cols / info(type).block * info(type).bytes; }
  const std::byte* row(Index n) const { return data + n * row_bytes(); }
};

// Writes the weights [first, first + count) of one row as f32. `first` and `count` are multiples of
// the type's block.
void dequantize(const WeightMatrix& w, Index row, Index first, Index count, std::span<float> out);

// Quantises a row to `type` (round to nearest; for writing test models, not tuned for quality). K
// is a multiple of the type's block.
void quantize(WeightType type, std::span<const float> row, std::byte* out);

// Activations [T, K] prepared once for several products. In `fast` they are also held as int8
// blocks of 32 with one f32 scale each.
class Activations {
 public:
  explicit Activations(Isa isa = active_isa());  // whose kernels prepare and multiply
  ~Activations();
  Activations(Activations&&) noexcept;
  Activations& operator=(Activations&&) noexcept;

  // Keeps a view of `x` (which must outlive the products) and prepares what `numerics` needs.
  // Buffers are kept from call to call.
  void prepare(std::span<const float> x,  // [T, K]
               Index tokens, Index cols, Numerics numerics, ThreadPool& pool);

  // From now on takes the path of many tokens for few ones, too: no bit of a token's products then
  // depends on how many others there are. Slower for fewer than eight.
  void ignore_batch_size();

  struct State;
  const State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// One product of a group that shares its activations.
struct Product {
  WeightMatrix weights;
  const float* bias = nullptr;  // [N] or null
  float* y = nullptr;           // [T, stride]
  Index stride = 0;             // floats from one token's outputs to the next; at least N
};

// Computes all products of `x` in one parallel region: row by row for few tokens, in panels of rows
// for many. The bits of y depend on the instruction set, the numerics and which of the two paths
// was taken; not on the number of threads, the schedule or the other tokens of the batch.
void multiply(const Activations& x, std::span<const Product> products, ThreadPool& pool);

// The product with the transpose, as gradients need it: x[t, k] = sum_n y[t, n] * w[n, k]. In
// `fast` both are rounded to bf16 where the instruction set multiplies pairs of these; sums are
// f32. With `add`, onto what x holds. The bits of x depend on the instruction set and the numerics
// alone.
void multiply_transposed(std::span<const float> y,  // [T, N]
                         Index tokens, const WeightMatrix& w, Numerics numerics,
                         std::span<float> x,  // [T, K]
                         ThreadPool& pool, Isa isa = active_isa(), bool add = false);

}  // namespace pith
