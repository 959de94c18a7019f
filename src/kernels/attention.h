// Kernels of attention over packed tiles of 16 entries: logits, softmax over a strip of them,
// weighted sums of values. One table per instruction set. They know no cache, no mask and no
// thread; they check nothing and never fail.
//
// A tile is one block of memory, 64-byte aligned: the keys of 16 entries, then their values.
//   bf16: keys [D/2][16][2], values [16][D]     (a register of 16 entries holds the operands of one
//   bf16 dot product step)
//   f32:  keys [D][16],      values [16][D]
//   packed (8, 4, 3 or 2 bits): see kernels/packed_tile.h. Weights, and queries that meet
//   int8, are rounded to 16 bits against the largest of a row, queries that meet int4, int3 and
//   int2 to 8; integer sums are exact. Those of e4m3 are as for bf16.
// A strip holds one row of logits (later weights) per query row. D is even; the vector kernels need
// a multiple of 16.
#pragma once

#include <cstddef>

#include "base/types.h"
#include "kernels/isa.h"
#include "kernels/packed_tile.h"

namespace pith {

inline constexpr Index kTileEntries = 16;
inline constexpr Index kMaxStripTiles = 32;  // no call sees more tiles than this

// Some query rows against some tiles.
struct AttentionStrip {
  Index rows = 0;
  Index head_dim = 0;                       // D
  Index entries = 0;                        // of the tiles; all but the last tile are full
  const std::byte* const* tiles = nullptr;  // [ceil(entries / 16)]
  const std::byte* const* next =
      nullptr;  // null, or the tiles that come after these, as many: kernels bring them closer
  const float* queries = nullptr;  // [rows, D], scaled and packed (qk)
  const float* base = nullptr;     // [rows], what packed logits begin with, or null (qk)
  const float* factors = nullptr;  // [rows] (pv)
  float* strip = nullptr;          // [rows, stride]
  Index stride = 0;
  float* out = nullptr;          // [rows, D] (pv)
  std::byte* scratch = nullptr;  // attention_scratch_bytes(rows, D), 64-byte aligned (pv)
};

struct TileKernels {
  // Brings scaled queries into the form that qk reads: packed_query_floats(D) a row.
  void (*pack)(const float* queries, Index rows, Index head_dim, float* packed);
  // strip[r, j] = q_r . k_j for all 16 entries of every tile, the unused ones of the last included.
  void (*qk)(const AttentionStrip& s);
  // out[r] = factors[r] * out[r] + sum_{j < entries} strip[r, j] * v_j
  void (*pv)(const AttentionStrip& s);
};

struct AttentionKernels {
  TileKernels bf16, f32;
  const TileKernels* packed;  // [kPackings]
  // With m' = max(*m, max_j(x[j] + bias[j])): x[j] = exp(x[j] + bias[j] - m'), *m = m'. Returns the
  // sum of the new x. n is a multiple of 16; bias may be null; an x of -inf gives 0, also if all
  // are.
  float (*softmax)(float* x, const float* bias, Index n, float* m);
  // x[j] *= factor
  void (*scale)(float* x, float factor, Index n);
};

constexpr Index packed_query_floats(Index head_dim) { return round_up(head_dim, 16) + 2; }

constexpr Index attention_scratch_bytes(Index rows, Index head_dim) {
  return kMaxStripTiles * kTileEntries * (head_dim * 4 + (round_up(rows, 8) + 2) * 4) + rows * 8;
}

const AttentionKernels& attention_kernels(Isa isa);
const AttentionKernels& attention_kernels(
    Index head_dim);  // of active_isa(), or scalar if D does not suit the vector kernels

}  // namespace pith
