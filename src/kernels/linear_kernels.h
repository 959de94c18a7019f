// The table of functions that one instruction set contributes to linear.h, and the prepared form of
// activations that they share. Not for callers of multiply().
#pragma once

#include <cstdint>

#include "kernels/linear.h"

namespace pith {

inline constexpr Index kActivationBlock = 32;
inline constexpr float kLeastActivation =
    1e-30f;  // a block below counts as zero: 127 / x is finite

// Rows of panels are 16 long on every instruction set.
inline constexpr Index kPanelRows = 16;

// Tokens come in tiles of `tile`; for few tokens a tile is one token. In a tile, the values of all
// its tokens lie side by side, so that one pointer serves them. The last tile is filled up with
// zeros. B is K / 32 rounded up to a multiple of 8; what lies past K / 32 is zero.
struct Activations::State {
  virtual ~State() = default;

  Isa isa = Isa::scalar;
  bool quantized = false;           // fast numerics, which need K to be a multiple of 32
  bool ignores_batch_size = false;  // few tokens are treated as many
  Index tokens = 0, cols = 0;
  const float* x = nullptr;  // [T, x_stride]
  Index x_stride = 0;
  Index tile = 1;
  Index tiles = 0;
  Index block_stride = 0;  // B

  float* sum = nullptr;  // [tiles, B, tile]  sums of 32 activations, for minima of weight blocks

  // Only if quantized: x[t, k] is about scale[t, k / 32] * q[t, k], |q| <= 127.
  std::int8_t* q = nullptr;  // [tiles, K / 4, tile, 4]
  std::int8_t* q_pairs =
      nullptr;                // [T, B / 2, 2, 2, 16] halves of blocks 2i and 2i + 1; if tile is 1
  float* scale = nullptr;     // [tiles, B, tile]
  float* half_sum = nullptr;  // [tiles, 2 B, tile]  like sum, of 16 activations
  std::int32_t* minus_sum = nullptr;       // [tiles, B, tile]  minus the sum of 32 q
  std::int32_t* minus_half_sum = nullptr;  // [tiles, 2 B, tile]  the same of 16
};
using ActivationState = Activations::State;

// The rows [first, first + count) of one product, for all tokens.
struct RowRange {
  const Product* product;
  Index row_bytes;
  Index first, count;
};

struct LinearKernels {
  // Fills what `x` declares for one token: the sums and, if it is quantized, the rest.
  void (*prepare)(const ActivationState& x, Index token);
  // With f32 activations, and with int8 activations (for quantised weights), in tiles of one token.
  void (*rows_exact)(const ActivationState& x, const RowRange& range);
  void (*rows_fast)(const ActivationState& x, const RowRange& range);
  // The same, better for many tokens, in tiles of at most most_tile.
  void (*panels_exact)(const ActivationState& x, const RowRange& range);
  void (*panels_fast)(const ActivationState& x, const RowRange& range);
  Index most_rows_exact, most_rows_fast;  // tokens that the row kernels serve; panels serve more
  Index most_tile;
};

const LinearKernels& linear_kernels(Isa isa);
const LinearKernels& linear_kernels_scalar();
const LinearKernels& linear_kernels_avx2();
const LinearKernels& linear_kernels_avx512();

// Whether the weights have codes to multiply int8 activations with; the float types have not.
inline bool is_quantized(WeightType type) {
  return type != WeightType::f32 && type != WeightType::f16 && type != WeightType::bf16;
}

// Working memory of the calling thread, 64-byte aligned, kept until the thread ends. The next call
// may move it.
std::byte* thread_scratch(Index bytes);

}  // namespace pith
