// As in attention_avx512.cpp, nothing with shared inline functions may be used here.
#include <immintrin.h>

#include "kernels/attention_tables.h"

namespace pith {
namespace {

#include "kernels/attention_prefetch.h"

const char* bytes(const std::byte* p) { return reinterpret_cast<const char*>(p); }
const float* floats(const std::byte* p) { return reinterpret_cast<const float*>(p); }

// Calls f.template operator()<R>(first) for blocks of R <= 6 rows: sixes, and what is left in two
// blocks about as large.
template <typename F>
void for_row_blocks(Index rows, const F& f) {
  Index r = 0;
  for (; rows - r >= 12; r += 6) f.template operator()<6>(r);
  while (r < rows) {
    const Index count = rows - r > 6 ? (rows - r + 1) / 2 : rows - r;
    switch (count) {
      case 1:
        f.template operator()<1>(r);
        break;
      case 2:
        f.template operator()<2>(r);
        break;
      case 3:
        f.template operator()<3>(r);
        break;
      case 4:
        f.template operator()<4>(r);
        break;
      case 5:
        f.template operator()<5>(r);
        break;
      case 6:
        f.template operator()<6>(r);
        break;
    }
    r += count;
  }
}

__m256 low_half(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
__m256 high_half(__m256i pairs) {
  return _mm256_castsi256_ps(
      _mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000))));
}

// ---- logits: two registers hold the same dimension of 16 keys

template <int R>
void add_dimension(__m256 (&sum)[R][2], const float* q, Index stride, __m256 key0, __m256 key1) {
  PITH_UNROLL for (int r = 0; r < R; ++r) {
    const __m256 x = _mm256_broadcast_ss(q + r * stride);
    sum[r][0] = _mm256_fmadd_ps(x, key0, sum[r][0]);
    sum[r][1] = _mm256_fmadd_ps(x, key1, sum[r][1]);
  }
}

struct Bf16Keys {
  static constexpr Index kBytes = 2;
  template <int R>
  static void add(__m256 (&sum)[R][2], const std::byte* tile, const float* q, Index dim) {
    for (Index d = 0; d < dim; d += 2, tile += 64) {
      const auto* pairs = reinterpret_cast<const __m256i*>(tile);
      add_dimension<R>(sum, q + d, dim, low_half(_mm256_load_si256(pairs)),
                       low_half(_mm256_load_si256(pairs + 1)));
      add_dimension<R>(sum, q + d + 1, dim, high_half(_mm256_load_si256(pairs)),
                       high_half(_mm256_load_si256(pairs + 1)));
    }
  }
};

struct F32Keys {
  static constexpr Index kBytes = 4;
  template <int R>
  static void add(__m256 (&sum)[R][2], const std::byte* tile, const float* q, Index dim) {
    for (Index d = 0; d < dim; ++d, tile += 64)
      add_dimension<R>(sum, q + d, dim, _mm256_load_ps(floats(tile)),
                       _mm256_load_ps(floats(tile) + 8));
  }
};

template <typename Keys>
void qk(const AttentionStrip& s) {
  const Index dim = s.head_dim, half = kTileEntries * dim * Keys::kBytes;
  for (Index i = 0; i < tiles_of(s); ++i) {
    const char* next = tile_ahead(s, i, 2);
    for (Index at = 0; at < 2 * half; at += 64) _mm_prefetch(next + at, _MM_HINT_T0);
    for_row_blocks(s.rows, [&]<int R>(Index r0) {
      __m256 sum[R][2];
      PITH_UNROLL for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
      Keys::add(sum, s.tiles[i], s.queries + r0 * dim, dim);
      PITH_UNROLL for (int r = 0; r < R; ++r) PITH_UNROLL for (int k = 0; k < 2; ++k)
          _mm256_storeu_ps(s.strip + (r0 + r) * s.stride + i * kTileEntries + 8 * k, sum[r][k]);
    });
  }
}

void pack(const float* queries, Index rows, Index head_dim, float* packed) {
  const Index n = rows * head_dim;
  for (Index i = 0; i < n; i += 8) _mm256_storeu_ps(packed + i, _mm256_loadu_ps(queries + i));
}

// ---- weighted sums of values, 16 columns at a time in two registers

struct Columns {  // returned by value: an array whose address is taken would live in memory
  __m256 first, second;
};

// The even and the odd columns, so that widening takes a shift and a mask.
struct Bf16Values {
  static constexpr Index kBytes = 2;
  static Columns load(const std::byte* p) {
    const __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {low_half(pairs), high_half(pairs)};
  }
  static Columns load_out(const float* p) {
    const __m256 a = _mm256_loadu_ps(p), b = _mm256_loadu_ps(p + 8);
    const __m256d even = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88));
    const __m256d odd = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0xdd));
    return {_mm256_castpd_ps(_mm256_permute4x64_pd(even, 0xd8)),
            _mm256_castpd_ps(_mm256_permute4x64_pd(odd, 0xd8))};
  }
  static void store_out(float* p, __m256 even, __m256 odd) {
    const __m256 a = _mm256_unpacklo_ps(even, odd), b = _mm256_unpackhi_ps(even, odd);
    _mm256_storeu_ps(p, _mm256_permute2f128_ps(a, b, 0x20));
    _mm256_storeu_ps(p + 8, _mm256_permute2f128_ps(a, b, 0x31));
  }
};

struct F32Values {
  static constexpr Index kBytes = 4;
  static Columns load(const std::byte* p) { return load_out(floats(p)); }
  static Columns load_out(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static void store_out(float* p, __m256 first, __m256 second) {
    _mm256_storeu_ps(p, first);
    _mm256_storeu_ps(p + 8, second);
  }
};

// Where a pass over 16 columns prefetches while it reads `tile`: all passes together go through the
// next tiles from end to end.
const std::byte* ahead(const AttentionStrip& s, Index pass, Index tile, Index row_bytes) {
  const Index passes = s.head_dim / 16, region = pass * tiles_of(s) + tile;
  return s.next[region / passes] + region % passes * (2 * kTileEntries * row_bytes);
}

template <typename Values, int R>
void pv_block(const AttentionStrip& s, Index r0, Index d) {
  constexpr Index kRow = 16 * Values::kBytes;
  const Index dim = s.head_dim, stride = s.stride;
  float* out = s.out + r0 * dim + d;
  const float* weights = s.strip + r0 * stride;
  __m256 sum[R][2];
  PITH_UNROLL for (int r = 0; r < R; ++r) {
    const Columns start = Values::load_out(out + r * dim);
    const __m256 factor = _mm256_broadcast_ss(s.factors + r0 + r);
    sum[r][0] = _mm256_mul_ps(start.first, factor);
    sum[r][1] = _mm256_mul_ps(start.second, factor);
  }
  for (Index first = 0; first < s.entries; first += kTileEntries) {
    const Index tile = first / kTileEntries;
    const Index count = s.entries - first < kTileEntries ? s.entries - first : kTileEntries;
    const std::byte* values = s.tiles[tile] + (kTileEntries * dim + d) * Values::kBytes;
    if (r0 == 0 && s.next) {
      const std::byte* next = ahead(s, d / 16, tile, kRow);
      for (Index at = 0; at < 2 * kTileEntries * kRow; at += 64)
        _mm_prefetch(bytes(next) + at, _MM_HINT_T1);
    }
    for (Index j = 0; j < count; ++j, values += dim * Values::kBytes) {
      const Columns v = Values::load(values);
      PITH_UNROLL for (int r = 0; r < R; ++r) {
        const __m256 weight = _mm256_broadcast_ss(weights + r * stride + first + j);
        sum[r][0] = _mm256_fmadd_ps(weight, v.first, sum[r][0]);
        sum[r][1] = _mm256_fmadd_ps(weight, v.second, sum[r][1]);
      }
    }
  }
  PITH_UNROLL for (int r = 0; r < R; ++r) Values::store_out(out + r * dim, sum[r][0], sum[r][1]);
}

template <typename Values>
void pv(const AttentionStrip& s) {
  for (Index d = 0; d < s.head_dim; d += 16)
    for_row_blocks(s.rows, [&]<int R>(Index r) { pv_block<Values, R>(s, r, d); });
}

// ---- softmax

// As exp_negative of attention_avx512.cpp.
__m256 exp_negative(__m256 x) {
  const __m256 normal = _mm256_cmp_ps(x, _mm256_set1_ps(-87.33654f), _CMP_NLT_UQ);  // true for NaN
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)), 8);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693145752f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(1.42860677e-6f), r);
  __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(0.0083125287f), r, _mm256_set1_ps(0.04189012f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.16667114f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.49999232f));
  p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r);
  const __m256i power =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  p = _mm256_mul_ps(_mm256_add_ps(p, _mm256_set1_ps(1)), _mm256_castsi256_ps(power));
  return _mm256_and_ps(normal, p);
}

float sum_of(__m256 x) {
  __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  y = _mm_add_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}

float max_of(__m256 x) {
  __m128 y = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  y = _mm_max_ps(y, _mm_movehl_ps(y, y));
  return _mm_cvtss_f32(_mm_max_ss(y, _mm_movehdup_ps(y)));
}

float softmax(float* x, const float* bias, Index n, float* m) {
  if (bias)
    for (Index j = 0; j < n; j += 8)
      _mm256_storeu_ps(x + j, _mm256_add_ps(_mm256_loadu_ps(x + j), _mm256_loadu_ps(bias + j)));
  __m256 top[2] = {_mm256_set1_ps(*m), _mm256_set1_ps(*m)};
  for (Index j = 0; j < n; j += 16)
    PITH_UNROLL for (int k = 0; k < 2; ++k) top[k] =
        _mm256_max_ps(top[k], _mm256_loadu_ps(x + j + 8 * k));
  *m = max_of(_mm256_max_ps(top[0], top[1]));
  const __m256 shift = _mm256_set1_ps(*m == -__builtin_inff() ? 0.0f : *m);
  __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  for (Index j = 0; j < n; j += 16) PITH_UNROLL for (int k = 0; k < 2; ++k) {
      const __m256 e = exp_negative(_mm256_sub_ps(_mm256_loadu_ps(x + j + 8 * k), shift));
      _mm256_storeu_ps(x + j + 8 * k, e);
      sum[k] = _mm256_add_ps(sum[k], e);
    }
  return sum_of(_mm256_add_ps(sum[0], sum[1]));
}

void scale(float* x, float factor, Index n) {
  const __m256 f = _mm256_set1_ps(factor);
  Index j = 0;
  for (; j + 8 <= n; j += 8) _mm256_storeu_ps(x + j, _mm256_mul_ps(_mm256_loadu_ps(x + j), f));
  for (; j < n; ++j) x[j] *= factor;
}

}  // namespace

const AttentionKernels kAttentionAvx2 = {{pack, qk<Bf16Keys>, pv<Bf16Values>},
                                         {pack, qk<F32Keys>, pv<F32Values>},
                                         kPackedAvx2,
                                         softmax,
                                         scale};

}  // namespace pith
