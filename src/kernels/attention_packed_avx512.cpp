// Packed tiles with AVX-512. As in attention_avx512.cpp, nothing with shared inline functions may
// be used here.
#if defined(__GNUC__) && !defined(__clang__)  // g++ 12's own headers warn here (GCC bug 105593)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "kernels/attention_tables.h"

namespace pith {
namespace {

#include "kernels/attention_packed_body.h"
#include "kernels/attention_prefetch.h"

// Calls f.template operator()<R>(first) for blocks of R <= kMost rows: as few as can be, all about
// as large.
template <int kMost, typename F>
void for_row_blocks(Index rows, const F& f) {
  for (Index r = 0; r < rows;) {
    const Index blocks = (rows - r + kMost - 1) / kMost, count = (rows - r + blocks - 1) / blocks;
    unrolled<kMost>([&]<int k>() {
      if (count == k + 1) f.template operator()<k + 1>(r);
    });
    r += count;
  }
}

// 16 words of codes; `high` is of split ones, shifted so that code k's bit is as far up as k says.
struct Words {
  __m512i low, high;
};

// Group g of keys: the high bits of byte b's codes are at its bits 0 .. 3.
template <typename C>
Words key_words(const std::byte* tile, Index g, Index head_dim) {
  const __m512i low = _mm512_load_si512(tile + g * 64);
  if constexpr (!C::kSplit) return {low, low};
  const __m512i high = _mm512_load_si512(tile + C::high_keys(head_dim) + g / 2 * 64);
  return {low, g % 2 == 0 ? high : _mm512_srli_epi16(high, 4)};
}

// Group g of values, 16 columns from d on: the high bits of each half's codes are at its bits 0 ..
// 7.
template <typename C>
Words value_words(const std::byte* tile, Index g, Index d, Index head_dim) {
  const __m512i low = _mm512_loadu_si512(tile + C::values(head_dim) + (g * head_dim + d) * 4);
  if constexpr (!C::kSplit) return {low, low};
  const __m512i high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(
      reinterpret_cast<const __m256i*>(tile + C::high_values(head_dim) + d * 2)));
  return {low, _mm512_or_si512(high, _mm512_slli_epi32(high, 8))};
}

// Low codes with their high bits, which are bit k of every lane of `mask`.
template <typename C, int k>
__m512i with_high(__m512i codes, __m512i high, __m512i mask) {
  if constexpr (!C::kSplit) return codes;
  if constexpr (k < 2) high = _mm512_slli_epi16(high, 2 - k);
  if constexpr (k > 2) high = _mm512_srli_epi16(high, k - 2);
  return _mm512_ternarylogic_epi32(codes, high, mask, 0xf8);  // codes | (high & mask)
}

// Part k of words: four dimensions of every entry, a byte each.
template <typename C, int k>
__m512i part(const Words& words) {
  const __m512i shifted = k == 0 ? words.low : _mm512_srli_epi16(words.low, k * C::kLowBits);
  return with_high<C, k>(_mm512_and_si512(shifted, _mm512_set1_epi8((1 << C::kLowBits) - 1)),
                         words.high, _mm512_set1_epi8(4));
}

// Pair k of a word's codes, as 16-bit integers or as bf16.
template <typename C, int k>
__m512i pair(const Words& words) {
  const __m512i word = words.low;
  if constexpr (C::kFloat) {
    const __m512i at_top = k == 0 ? _mm512_slli_epi16(word, 8) : word;
    const __m512i bits = _mm512_and_si512(_mm512_srai_epi16(at_top, 4),
                                          _mm512_set1_epi16(static_cast<short>(0x87f0)));
    return _mm512_add_epi16(bits, _mm512_set1_epi16(120 << 7));
  } else {
    __m512i codes = k == 0 ? word : _mm512_srli_epi16(word, k * C::kLowBits);
    if constexpr (k < C::kPairs - 1)
      codes = _mm512_and_si512(codes, _mm512_set1_epi16((1 << C::kLowBits) - 1));
    return with_high<C, k>(codes, words.high, _mm512_set1_epi16(4));
  }
}

template <typename C>
__m512i multiply_add(__m512i sum, __m512i codes, __m512i factors) {
  if constexpr (C::kFloat)
    return _mm512_castps_si512(
        _mm512_dpbf16_ps(_mm512_castsi512_ps(sum), (__m512bh)factors, (__m512bh)codes));
  return _mm512_dpwssd_epi32(sum, codes, factors);
}

template <typename C>
__m512 to_floats(__m512i sum) {
  return C::kFloat ? _mm512_castsi512_ps(sum) : _mm512_cvtepi32_ps(sum);
}

__m512i pair_at(const void* p, Index i) { return _mm512_set1_epi32(static_cast<const int*>(p)[i]); }

__m512 bf16_column(const std::byte* p) {
  const __m512i wide =
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

template <typename C>
void pack(const float* queries, Index rows, Index head_dim, float* packed) {
  if constexpr (C::kByteQueries) return pack_bytes<C>(queries, rows, head_dim, packed);
  if constexpr (!C::kFloat)
    return pack_integers(queries, rows, head_dim, most_factor<C>(head_dim), packed);
  // Dimensions (0 2 1 3) of every four.
  const __m256i order = _mm256_setr_epi16(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
  for (Index r = 0; r < rows; ++r, queries += head_dim, packed += query_stride(head_dim)) {
    packed[0] = packed[1] = 0;
    for (Index d = 0; d < head_dim; d += 16) {
      const auto narrow = (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(queries + d));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(packed + kQueryHeader + d / 2),
                          _mm256_permutexvar_epi16(order, narrow));
    }
  }
}

// Adds what a word of 16 keys each gives to R rows, in P partial sums. `q` is at the factors.
template <typename C, int R, int P>
void add_words(__m512i (&sum)[R][P], const Words& words, const float* q, Index stride) {
  if constexpr (C::kByteQueries) {
    unrolled<C::kParts>([&]<int k>() {
      const __m512i codes = part<C, k>(words);
      PITH_UNROLL for (int r = 0; r < R; ++r) sum[r][k % P] =
          _mm512_dpbusd_epi32(sum[r][k % P], codes, pair_at(q + r * stride, k));
    });
  } else {
    unrolled<C::kPairs>([&]<int k>() {
      const __m512i codes = pair<C, k>(words);
      PITH_UNROLL for (int r = 0; r < R; ++r) sum[r][k % P] =
          multiply_add<C>(sum[r][k % P], codes, pair_at(q + r * stride, k));
    });
  }
}

// R rows from r0 on against one tile, each in P partial sums.
template <typename C, int R, int P>
void qk_block(const AttentionStrip& s, Index tile, Index r0) {
  constexpr Index kFactors = C::kByteQueries ? C::kParts : C::kPairs;  // words a group
  const Index dim = s.head_dim, stride = query_stride(dim);
  const float* q = s.queries + r0 * stride;
  const std::byte* words = s.tiles[tile];
  __m512i sum[R][P];
  PITH_UNROLL for (int r = 0; r < R; ++r) PITH_UNROLL for (int p = 0; p < P; ++p) sum[r][p] =
      _mm512_setzero_si512();
  for (Index g = 0; g < C::groups(dim); ++g)
    add_words<C, R, P>(sum, key_words<C>(words, g, dim), q + kQueryHeader + g * kFactors, stride);
  const __m512 scale = bf16_column(words + C::key_scales(dim)),
               zero = bf16_column(words + C::key_scales(dim) + 32);
  PITH_UNROLL for (int r = 0; r < R; ++r) {
    __m512 total = to_floats<C>(sum[r][0]);
    PITH_UNROLL for (int p = 1; p < P; ++p) total = _mm512_add_ps(total, to_floats<C>(sum[r][p]));
    const __m512 base = _mm512_set1_ps(s.base ? s.base[r0 + r] : 0.0f);
    __m512 logits = base;
    if constexpr (!C::kFloat) {
      logits = _mm512_fmadd_ps(zero, _mm512_set1_ps(q[r * stride + 1]), base);
      total = _mm512_mul_ps(total, _mm512_set1_ps(q[r * stride]));
    }
    _mm512_storeu_ps(s.strip + (r0 + r) * s.stride + tile * kTileEntries,
                     _mm512_fmadd_ps(total, scale, logits));
  }
}

template <typename C>
void qk(const AttentionStrip& s) {
  const Index ahead = ahead_tiles<C>(s.head_dim), bytes = C::bytes(s.head_dim);
  for (Index i = 0; i < tiles_of(s); ++i) {
    const char* next = tile_ahead(s, i, ahead);
    for (Index at = 0; at < bytes; at += 64) _mm_prefetch(next + at, _MM_HINT_T0);
    for_row_blocks<8>(s.rows, [&]<int R>(Index r) {
      qk_block<C, R, (R >= 5 && !C::kByteQueries ? 1 : 2)>(s, i, r);
    });
  }
}

// ---- weighted sums of values

// Weights times the entries' scales, as pairs of 16-bit numbers: eight words a tile.
struct Weights {
  const std::uint32_t* words;  // [rows, stride]
  Index stride;
  const float* scales;  // [rows], of the integers
  const float* shifts;  // [rows], what zeros add to every column
};

template <typename C>
__m256i entry_order() {
  if constexpr (C::kGroup == 4)
    return _mm256_setr_epi16(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
  if constexpr (C::kGroup == 8)
    return _mm256_setr_epi16(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  return _mm256_setr_epi16(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
}

// Sets row r's scale and shift.
template <typename C>
void pack_weights(const float* x, const float* columns, Index tiles, float most_weight,
                  __m256i* words, float* scale, float* shift) {
  const float* zeros = columns + tiles * 16;
  const __m256i order = entry_order<C>();
  if constexpr (C::kFloat) {
    *scale = 1;
    *shift = 0;
    for (Index i = 0; i < tiles; ++i) {
      const __m512 weight =
          _mm512_mul_ps(_mm512_loadu_ps(x + i * 16), _mm512_load_ps(columns + i * 16));
      words[i] = _mm256_permutexvar_epi16(order, (__m256i)_mm512_cvtneps_pbh(weight));
    }
    return;
  }
  __m512 most = _mm512_setzero_ps(), sum = _mm512_setzero_ps();
  for (Index i = 0; i < tiles; ++i) {
    const __m512 row = _mm512_loadu_ps(x + i * 16);
    const __m512 weight = _mm512_mul_ps(row, _mm512_load_ps(columns + i * 16));
    most = _mm512_max_ps(most, _mm512_abs_ps(weight));
    sum = _mm512_fmadd_ps(row, _mm512_load_ps(zeros + i * 16), sum);
  }
  const float top = _mm512_reduce_max_ps(most);
  *scale = top / most_weight;
  *shift = _mm512_reduce_add_ps(sum);
  const __m512 inverse = _mm512_set1_ps(top > 0 ? most_weight / top : 0);
  for (Index i = 0; i < tiles; ++i) {
    const __m512 weight =
        _mm512_mul_ps(_mm512_loadu_ps(x + i * 16), _mm512_load_ps(columns + i * 16));
    const __m256i narrow =
        _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(_mm512_mul_ps(weight, inverse)));
    words[i] = _mm256_permutexvar_epi16(order, narrow);
  }
}

template <typename C>
Weights make_weights(const AttentionStrip& s) {
  const Index tiles = tiles_of(s), dim = s.head_dim;
  auto* columns = reinterpret_cast<float*>(s.scratch);  // scales [tiles * 16], zeros [tiles * 16]
  for (Index i = 0; i < tiles; ++i) {
    const Index left = s.entries - i * kTileEntries;
    const auto lanes = static_cast<__mmask16>(left >= 16 ? 0xffffu : (1u << left) - 1);
    const std::byte* at = s.tiles[i] + C::value_scales(dim);
    _mm512_store_ps(columns + i * 16, _mm512_maskz_mov_ps(lanes, bf16_column(at)));
    _mm512_store_ps(columns + (tiles + i) * 16, _mm512_maskz_mov_ps(lanes, bf16_column(at + 32)));
  }
  auto* words = reinterpret_cast<__m256i*>(columns + tiles * 32);
  auto* scales = reinterpret_cast<float*>(words + s.rows * tiles);
  const float most = most_factor<C>(tiles * 16);
  for (Index r = 0; r < s.rows; ++r)
    pack_weights<C>(s.strip + r * s.stride, columns, tiles, most, words + r * tiles, scales + r,
                    scales + s.rows + r);
  return {reinterpret_cast<const std::uint32_t*>(words), tiles * 8, scales, scales + s.rows};
}

// R rows, N registers of 16 columns from column d on.
template <typename C, int R, int N>
void pv_block(const AttentionStrip& s, const Weights& w, Index r0, Index d) {
  const Index dim = s.head_dim;
  const std::uint32_t* weights = w.words + r0 * w.stride;
  __m512i sum[R][N];
  PITH_UNROLL for (int r = 0; r < R; ++r) PITH_UNROLL for (int c = 0; c < N; ++c) sum[r][c] =
      _mm512_setzero_si512();
  for (Index i = 0; i < tiles_of(s); ++i) {
    for (Index g = 0; g < 16 / C::kGroup; ++g) {
      Words words[N];
      PITH_UNROLL for (int c = 0; c < N; ++c) words[c] =
          value_words<C>(s.tiles[i], g, d + 16 * c, dim);
      unrolled<C::kPairs>([&]<int k>() {
        __m512i codes[N];
        PITH_UNROLL for (int c = 0; c < N; ++c) codes[c] = pair<C, k>(words[c]);
        PITH_UNROLL for (int r = 0; r < R; ++r) {
          const __m512i weight = pair_at(weights + r * w.stride, i * 8 + g * C::kPairs + k);
          PITH_UNROLL for (int c = 0; c < N; ++c) sum[r][c] =
              multiply_add<C>(sum[r][c], codes[c], weight);
        }
      });
    }
  }
  PITH_UNROLL for (int r = 0; r < R; ++r) PITH_UNROLL for (int c = 0; c < N; ++c) {
    float* out = s.out + (r0 + r) * dim + d + 16 * c;
    const __m512 before = _mm512_fmadd_ps(_mm512_set1_ps(s.factors[r0 + r]), _mm512_loadu_ps(out),
                                          _mm512_set1_ps(w.shifts[r0 + r]));
    _mm512_storeu_ps(
        out, _mm512_fmadd_ps(to_floats<C>(sum[r][c]), _mm512_set1_ps(w.scales[r0 + r]), before));
  }
}

template <typename C>
void pv(const AttentionStrip& s) {
  const Weights w = make_weights<C>(s);
  Index d = 0;
  for (; d + 32 <= s.head_dim; d += 32)
    for_row_blocks<8>(s.rows, [&]<int R>(Index r) { pv_block<C, R, 2>(s, w, r, d); });
  for (; d < s.head_dim; d += 16)
    for_row_blocks<8>(s.rows, [&]<int R>(Index r) { pv_block<C, R, 1>(s, w, r, d); });
}

template <Packing kPacking>
constexpr TileKernels kKernels = {pack<Codes<kPacking>>, qk<Codes<kPacking>>, pv<Codes<kPacking>>};

}  // namespace

const TileKernels kPackedAvx512[kPackings] = {kKernels<Packing::int8>, kKernels<Packing::int4>,
                                              kKernels<Packing::int2>, kKernels<Packing::e4m3>,
                                              kKernels<Packing::int3>};

}  // namespace pith
