// Only intrinsics and types that have no inline functions are used here: a function that the linker
// shares with other files must not be compiled for this instruction set.
#if defined(__GNUC__) && !defined(__clang__)  // g++ 12's own headers warn here (GCC bug 105593)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "kernels/attention_tables.h"

namespace pith {
namespace {

#include "kernels/attention_prefetch.h"

constexpr Index kTwoStepRows = 12;  // from so many rows on, pairing the values first pays

const char* bytes(const std::byte* p) { return reinterpret_cast<const char*>(p); }

// Calls f.template operator()<R>(first) for blocks of R <= 8 rows: sixes, then what is left, so
// that no block is small.
template <typename F>
void for_row_blocks(Index rows, const F& f) {
  Index r = 0;
  for (; rows - r > 8; r += 6) f.template operator()<6>(r);
  switch (rows - r) {
    case 1:
      return f.template operator()<1>(r);
    case 2:
      return f.template operator()<2>(r);
    case 3:
      return f.template operator()<3>(r);
    case 4:
      return f.template operator()<4>(r);
    case 5:
      return f.template operator()<5>(r);
    case 6:
      return f.template operator()<6>(r);
    case 7:
      return f.template operator()<7>(r);
    case 8:
      return f.template operator()<8>(r);
  }
}

// ---- logits: a register holds the same step of 16 keys, so that no sum ever crosses lanes

struct Bf16Step {  // two dimensions a step
  static Index steps(Index head_dim) { return head_dim / 2; }
  static __m512 multiply_add(__m512 sum, const float* q, __m512i key) {
    const __m512i pair = _mm512_set1_epi32(*reinterpret_cast<const int*>(q));
    return _mm512_dpbf16_ps(sum, (__m512bh)pair, (__m512bh)key);
  }
};

struct F32Step {
  static Index steps(Index head_dim) { return head_dim; }
  static __m512 multiply_add(__m512 sum, const float* q, __m512i key) {
    return _mm512_fmadd_ps(_mm512_set1_ps(*q), _mm512_castsi512_ps(key), sum);
  }
};

// R rows against C tiles side by side, each in P partial sums of every P-th step.
template <typename Step, int R, int C, int P>
void qk_block(const std::byte* const* tiles, const float* q, Index head_dim, float* strip,
              Index stride) {
  const Index steps = Step::steps(head_dim);
  __m512 sum[R][C][P];
  PITH_UNROLL for (int r = 0; r < R; ++r) PITH_UNROLL for (int c = 0; c < C; ++c)
      PITH_UNROLL for (int p = 0; p < P; ++p) sum[r][c][p] = _mm512_setzero_ps();
  for (Index i = 0; i < steps; i += P) PITH_UNROLL for (int p = 0; p < P; ++p) {
      __m512i key[C];
      PITH_UNROLL for (int c = 0; c < C; ++c) key[c] = _mm512_load_si512(tiles[c] + (i + p) * 64);
      PITH_UNROLL for (int r = 0; r < R; ++r) PITH_UNROLL for (int c = 0; c < C; ++c) sum[r][c][p] =
          Step::multiply_add(sum[r][c][p], q + r * steps + i + p, key[c]);
    }
  PITH_UNROLL for (int r = 0; r < R; ++r) PITH_UNROLL for (int c = 0; c < C; ++c) {
    __m512 total = sum[r][c][0];
    PITH_UNROLL for (int p = 1; p < P; ++p) total = _mm512_add_ps(total, sum[r][c][p]);
    _mm512_storeu_ps(strip + r * stride + c * 16, total);
  }
}

// Few rows: memory sets the pace.
template <typename Step>
void qk_few(const AttentionStrip& s) {
  const Index steps = Step::steps(s.head_dim);
  for (Index i = 0; i < tiles_of(s); ++i) {
    const char* next = tile_ahead(s, i, 2);
    for (Index at = 0; at < 2 * steps * 64; at += 64) _mm_prefetch(next + at, _MM_HINT_T0);
    for_row_blocks(s.rows, [&]<int R>(Index r) {
      constexpr int kParts = R >= 3 ? 2 : 4;
      qk_block<Step, R, 1, kParts>(s.tiles + i, s.queries + r * steps, s.head_dim,
                                   s.strip + r * s.stride + i * 16, s.stride);
    });
  }
}

template <typename Step>
void qk(const AttentionStrip& s) {
  if (s.rows <= 8) return qk_few<Step>(s);
  const Index tiles = tiles_of(s), steps = Step::steps(s.head_dim);
  Index i = 0;
  for (; i + 4 <= tiles; i += 4)
    for_row_blocks(s.rows, [&]<int R>(Index r) {
      const float* q = s.queries + r * steps;
      float* strip = s.strip + r * s.stride + i * 16;
      if constexpr (R <= 6) {
        qk_block<Step, R, 4, 1>(s.tiles + i, q, s.head_dim, strip, s.stride);
      } else {
        qk_block<Step, R, 2, 1>(s.tiles + i, q, s.head_dim, strip, s.stride);
        qk_block<Step, R, 2, 1>(s.tiles + i + 2, q, s.head_dim, strip + 32, s.stride);
      }
    });
  for (; i < tiles; ++i)
    for_row_blocks(s.rows, [&]<int R>(Index r) {
      qk_block<Step, R, 1, 1>(s.tiles + i, s.queries + r * steps, s.head_dim,
                              s.strip + r * s.stride + i * 16, s.stride);
    });
}

// Two bf16 queries' dimensions to each 32-bit word.
void pack_bf16(const float* queries, Index rows, Index head_dim, float* packed) {
  const Index n = rows * head_dim;
  Index i = 0;
  for (; i + 32 <= n; i += 32)
    _mm512_storeu_si512(packed + i / 2,
                        (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(queries + i + 16),
                                                     _mm512_loadu_ps(queries + i)));
  if (i < n)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(packed + i / 2),
                        (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(queries + i)));
}

void pack_f32(const float* queries, Index rows, Index head_dim, float* packed) {
  const Index n = rows * head_dim;
  for (Index i = 0; i < n; i += 16) _mm512_storeu_ps(packed + i, _mm512_loadu_ps(queries + i));
}

// ---- weighted sums of values, for few rows: f32 weights times values widened in registers

// 32 columns of bf16: the even and the odd ones, so that widening takes a shift and a mask.
struct Bf16Columns {
  static constexpr int kRegisters = 2, kColumns = 32, kBytes = 2;
  static void load(const std::byte* p, __m512* v) {
    const __m512i raw = _mm512_loadu_si512(p);
    v[0] = _mm512_castsi512_ps(_mm512_slli_epi32(raw, 16));
    v[1] =
        _mm512_castsi512_ps(_mm512_and_si512(raw, _mm512_set1_epi32(static_cast<int>(0xffff0000))));
  }
  static __m512i evens() {
    return _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  }
  static void load_out(const float* p, __m512* v) {
    const __m512 a = _mm512_loadu_ps(p), b = _mm512_loadu_ps(p + 16);
    v[0] = _mm512_permutex2var_ps(a, evens(), b);
    v[1] = _mm512_permutex2var_ps(a, _mm512_or_si512(evens(), _mm512_set1_epi32(1)), b);
  }
  static void store_out(float* p, const __m512* v) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    _mm512_storeu_ps(p, _mm512_permutex2var_ps(v[0], low, v[1]));
    _mm512_storeu_ps(
        p + 16, _mm512_permutex2var_ps(v[0], _mm512_add_epi32(low, _mm512_set1_epi32(8)), v[1]));
  }
};

struct Bf16HalfColumns {
  static constexpr int kRegisters = 1, kColumns = 16, kBytes = 2;
  static void load(const std::byte* p, __m512* v) {
    const __m512i wide =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    v[0] = _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }
  static void load_out(const float* p, __m512* v) { v[0] = _mm512_loadu_ps(p); }
  static void store_out(float* p, const __m512* v) { _mm512_storeu_ps(p, v[0]); }
};

struct F32Columns {
  static constexpr int kRegisters = 1, kColumns = 16, kBytes = 4;
  static void load(const std::byte* p, __m512* v) { v[0] = _mm512_loadu_ps(p); }
  static void load_out(const float* p, __m512* v) { v[0] = _mm512_loadu_ps(p); }
  static void store_out(float* p, const __m512* v) { _mm512_storeu_ps(p, v[0]); }
};

// Where a pass over columns prefetches while it reads `tile`: all passes together go through the
// next tiles from end to end. `row` is the bytes of a value row that a pass reads, `values` those
// of all.
const std::byte* ahead(const AttentionStrip& s, Index r0, Index pass, Index tile, Index row,
                       Index values) {
  if (!s.next || r0 > 0) return s.tiles[tile];
  const Index passes = values / row, region = pass * tiles_of(s) + tile;
  return s.next[region / passes] + region % passes * (2 * kTileEntries * row);
}

// R rows, C groups of columns from column d on.
template <typename Columns, int R, int C>
void pv_block(const AttentionStrip& s, Index r0, Index d) {
  constexpr int kRegisters = Columns::kRegisters, kSums = C * kRegisters;
  const Index dim = s.head_dim, stride = s.stride;
  float* out = s.out + r0 * dim + d;
  const float* weights = s.strip + r0 * stride;
  __m512 sum[R][kSums];
  PITH_UNROLL for (int r = 0; r < R; ++r) PITH_UNROLL for (int c = 0; c < C; ++c) {
    Columns::load_out(out + r * dim + c * Columns::kColumns, &sum[r][c * kRegisters]);
    PITH_UNROLL for (int k = 0; k < kRegisters; ++k) sum[r][c * kRegisters + k] =
        _mm512_mul_ps(sum[r][c * kRegisters + k], _mm512_set1_ps(s.factors[r0 + r]));
  }
  constexpr Index kRow =
      C * Columns::kColumns * Columns::kBytes;  // bytes of a value row that this pass reads
  for (Index first = 0; first < s.entries; first += kTileEntries) {
    const Index tile = first / kTileEntries;
    const Index count = s.entries - first < kTileEntries ? s.entries - first : kTileEntries;
    const std::byte* values = s.tiles[tile] + (kTileEntries * dim + d) * Columns::kBytes;
    const std::byte* next =
        ahead(s, r0, d * Columns::kBytes / kRow, tile, kRow, dim * Columns::kBytes);
    for (Index j = 0; j < count; ++j, values += dim * Columns::kBytes, next += 2 * kRow) {
      for (Index line = 0; line < 2 * kRow; line += 64)
        _mm_prefetch(bytes(next) + line, _MM_HINT_T1);
      __m512 v[kSums];
      PITH_UNROLL for (int c = 0; c < C; ++c)
          Columns::load(values + c * Columns::kColumns * Columns::kBytes, v + c * kRegisters);
      PITH_UNROLL for (int r = 0; r < R; ++r) {
        const __m512 weight = _mm512_set1_ps(weights[r * stride + first + j]);
        PITH_UNROLL for (int k = 0; k < kSums; ++k) sum[r][k] =
            _mm512_fmadd_ps(weight, v[k], sum[r][k]);
      }
    }
  }
  PITH_UNROLL for (int r = 0; r < R; ++r) PITH_UNROLL for (int c = 0; c < C; ++c)
      Columns::store_out(out + r * dim + c * Columns::kColumns, &sum[r][c * kRegisters]);
}

template <typename Columns, int C>
void pv_columns(const AttentionStrip& s, Index d) {
  for_row_blocks(s.rows, [&]<int R>(Index r) {
    if constexpr (R * C * Columns::kRegisters <= 24 || C == 1) {
      pv_block<Columns, R, C>(s, r, d);
    } else {
      pv_block<Columns, R, C / 2>(s, r, d);
      pv_block<Columns, R, C / 2>(s, r, d + C / 2 * Columns::kColumns);
    }
  });
}

void pv_f32(const AttentionStrip& s) {
  Index d = 0;
  for (; d + 64 <= s.head_dim; d += 64) pv_columns<F32Columns, 4>(s, d);
  for (; d < s.head_dim; d += 16) pv_columns<F32Columns, 1>(s, d);
}

// ---- for many rows: bf16 weights, and values whose pairs of entries were brought together, so
// that a step sums two entries

struct Pairs {
  __m512i* values;         // [pairs, D / 16], 16 columns of two entries each
  std::uint32_t* weights;  // [rows, stride], two entries each
  Index pairs, stride;
};

Pairs make_pairs(const AttentionStrip& s) {
  const Index dim = s.head_dim, groups = dim / 16;
  Pairs p{reinterpret_cast<__m512i*>(s.scratch), nullptr, (s.entries + 1) / 2,
          (s.entries + 31) / 32 * 16};
  p.weights = reinterpret_cast<std::uint32_t*>(p.values + p.pairs * groups);
  const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,
                                       39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  for (Index j = 0; j < p.pairs; ++j) {
    const std::byte* a = s.tiles[j / 8] + (kTileEntries + j % 8 * 2) * dim * 2;
    const bool alone =
        2 * j + 1 ==
        s.entries;  // the second row is no entry: it must not reach the sum even as a NaN
    __m512i* to = p.values + j * groups;
    for (Index d = 0; d < dim; d += 32) {
      const __mmask32 lanes = dim - d >= 32 ? 0xffffffffu : 0xffffu;
      const __m512i first = _mm512_maskz_loadu_epi16(lanes, a + d * 2);
      const __m512i second = _mm512_maskz_loadu_epi16(alone ? 0 : lanes, a + (dim + d) * 2);
      *to++ = _mm512_permutex2var_epi16(first, low, second);
      if (lanes == 0xffffffffu) *to++ = _mm512_permutex2var_epi16(first, high, second);
    }
  }
  for (Index r = 0; r < s.rows; ++r)
    for (Index j = 0; j < s.entries; j += 32) {
      const Index left = s.entries - j;
      const std::uint32_t lanes = left >= 32 ? 0xffffffffu : (1u << left) - 1;
      const float* x = s.strip + r * s.stride + j;
      const __m512 a = _mm512_maskz_loadu_ps(static_cast<__mmask16>(lanes), x);
      const __m512 b = _mm512_maskz_loadu_ps(static_cast<__mmask16>(lanes >> 16), x + 16);
      _mm512_storeu_si512(p.weights + r * p.stride + j / 2, (__m512i)_mm512_cvtne2ps_pbh(b, a));
    }
  return p;
}

template <int R, int C>
void pv_pairs_block(const AttentionStrip& s, const Pairs& p, Index r0, Index group) {
  const Index groups = s.head_dim / 16;
  float* out = s.out + r0 * s.head_dim + group * 16;
  const std::uint32_t* weights = p.weights + r0 * p.stride;
  __m512 sum[R][C];
  PITH_UNROLL for (int r = 0; r < R; ++r) PITH_UNROLL for (int c = 0; c < C; ++c) sum[r][c] =
      _mm512_mul_ps(_mm512_set1_ps(s.factors[r0 + r]),
                    _mm512_loadu_ps(out + r * s.head_dim + c * 16));
  const __m512i* values = p.values + group;
  for (Index j = 0; j < p.pairs; ++j, values += groups) {
    __m512i v[C];
    PITH_UNROLL for (int c = 0; c < C; ++c) v[c] = _mm512_load_si512(values + c);
    PITH_UNROLL for (int r = 0; r < R; ++r) {
      const __m512i weight = _mm512_set1_epi32(static_cast<int>(weights[r * p.stride + j]));
      PITH_UNROLL for (int c = 0; c < C; ++c) sum[r][c] =
          _mm512_dpbf16_ps(sum[r][c], (__m512bh)weight, (__m512bh)v[c]);
    }
  }
  PITH_UNROLL for (int r = 0; r < R; ++r) PITH_UNROLL for (int c = 0; c < C; ++c)
      _mm512_storeu_ps(out + r * s.head_dim + c * 16, sum[r][c]);
}

void pv_pairs(const AttentionStrip& s) {
  const Pairs p = make_pairs(s);
  const Index groups = s.head_dim / 16;
  Index group = 0;
  for (; group + 4 <= groups; group += 4)
    for_row_blocks(s.rows, [&]<int R>(Index r) {
      if constexpr (R <= 6) {
        pv_pairs_block<R, 4>(s, p, r, group);
      } else {
        pv_pairs_block<R, 2>(s, p, r, group);
        pv_pairs_block<R, 2>(s, p, r, group + 2);
      }
    });
  for (; group + 2 <= groups; group += 2)
    for_row_blocks(s.rows, [&]<int R>(Index r) { pv_pairs_block<R, 2>(s, p, r, group); });
  for (; group < groups; ++group)
    for_row_blocks(s.rows, [&]<int R>(Index r) { pv_pairs_block<R, 1>(s, p, r, group); });
}

void pv_bf16(const AttentionStrip& s) {
  if (s.rows >= kTwoStepRows) return pv_pairs(s);
  Index d = 0;
  for (; d + 64 <= s.head_dim; d += 64) pv_columns<Bf16Columns, 2>(s, d);
  for (; d + 32 <= s.head_dim; d += 32) pv_columns<Bf16Columns, 1>(s, d);
  for (; d < s.head_dim; d += 16) pv_columns<Bf16HalfColumns, 1>(s, d);
}

}  // namespace

const AttentionKernels kAttentionAvx512 = {{pack_bf16, qk<Bf16Step>, pv_bf16},
                                           {pack_f32, qk<F32Step>, pv_f32},
                                           kPackedAvx512,
                                           softmax_avx512,
                                           scale_avx512};

}  // namespace pith
