// Packed tiles with AVX2. As in attention_avx512.cpp, nothing with shared inline functions may be
// used here.
#include <immintrin.h>

#include "kernels/attention_tables.h"

namespace pith {
namespace {

#include "kernels/attention_packed_body.h"
#include "kernels/attention_prefetch.h"

constexpr int kRows = 4;  // of a block: 8 sums leave room for codes, masks and factors

// Calls f.template operator()<R>(first) for blocks of R <= kRows rows, all about as large.
template <typename F>
void for_row_blocks(Index rows, const F& f) {
  for (Index r = 0; r < rows;) {
    const Index blocks = (rows - r + kRows - 1) / kRows, count = (rows - r + blocks - 1) / blocks;
    unrolled<kRows>([&]<int k>() {
      if (count == k + 1) f.template operator()<k + 1>(r);
    });
    r += count;
  }
}

// Eight words of codes; `high` is of split ones, as in attention_packed_avx512.cpp.
struct Words {
  __m256i low, high;
};

__m256i load(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }

// Half a group of keys.
template <typename C>
Words key_words(const std::byte* tile, Index g, int half, Index head_dim) {
  const __m256i low = load(tile + g * 64 + half * 32);
  if constexpr (!C::kSplit) return {low, low};
  const __m256i high = load(tile + C::high_keys(head_dim) + g / 2 * 64 + half * 32);
  return {low, g % 2 == 0 ? high : _mm256_srli_epi16(high, 4)};
}

// Group g of values, eight columns from d on.
template <typename C>
Words value_words(const std::byte* tile, Index g, Index d, Index head_dim) {
  const __m256i low = load(tile + C::values(head_dim) + (g * head_dim + d) * 4);
  if constexpr (!C::kSplit) return {low, low};
  const __m256i high = _mm256_cvtepu16_epi32(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(tile + C::high_values(head_dim) + d * 2)));
  return {low, _mm256_or_si256(high, _mm256_slli_epi32(high, 8))};
}

// Low codes with their high bits, which are bit k of every lane of `mask`.
template <typename C, int k>
__m256i with_high(__m256i codes, __m256i high, __m256i mask) {
  if constexpr (!C::kSplit) return codes;
  if constexpr (k < 2) high = _mm256_slli_epi16(high, 2 - k);
  if constexpr (k > 2) high = _mm256_srli_epi16(high, k - 2);
  return _mm256_or_si256(codes, _mm256_and_si256(high, mask));
}

// Part k of words: four dimensions of every entry, a byte each.
template <typename C, int k>
__m256i part(const Words& words) {
  const __m256i shifted = k == 0 ? words.low : _mm256_srli_epi16(words.low, k * C::kLowBits);
  return with_high<C, k>(_mm256_and_si256(shifted, _mm256_set1_epi8((1 << C::kLowBits) - 1)),
                         words.high, _mm256_set1_epi8(4));
}

// Pair k of a word's codes, as 16-bit integers or as bf16.
template <typename C, int k>
__m256i pair(const Words& words) {
  const __m256i word = words.low;
  if constexpr (C::kFloat) {
    const __m256i at_top = k == 0 ? _mm256_slli_epi16(word, 8) : word;
    const __m256i bits = _mm256_and_si256(_mm256_srai_epi16(at_top, 4),
                                          _mm256_set1_epi16(static_cast<short>(0x87f0)));
    return _mm256_add_epi16(bits, _mm256_set1_epi16(120 << 7));
  } else {
    __m256i codes = k == 0 ? word : _mm256_srli_epi16(word, k * C::kLowBits);
    if constexpr (k < C::kPairs - 1)
      codes = _mm256_and_si256(codes, _mm256_set1_epi16((1 << C::kLowBits) - 1));
    return with_high<C, k>(codes, words.high, _mm256_set1_epi16(4));
  }
}

__m256 low_half(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
__m256 high_half(__m256i pairs) {
  return _mm256_castsi256_ps(
      _mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000))));
}

// Adds pair k of both words times the factors of every row: factors[r * stride + at] is a pair of
// 16-bit integers; for floats, factors[r * stride + 2 * at] and the next are f32.
template <typename C, int R>
void add_pairs(__m256i (&sum)[R][2], __m256i pair0, __m256i pair1, const float* factors,
               Index stride, Index at) {
  if constexpr (C::kFloat) {
    const __m256 low[2] = {low_half(pair0), low_half(pair1)};
    const __m256 high[2] = {high_half(pair0), high_half(pair1)};
    PITH_UNROLL for (int r = 0; r < R; ++r) {
      const float* x = factors + r * stride + 2 * at;
      const __m256 first = _mm256_broadcast_ss(x), second = _mm256_broadcast_ss(x + 1);
      PITH_UNROLL for (int c = 0; c < 2; ++c) {
        const __m256 half = _mm256_fmadd_ps(first, low[c], _mm256_castsi256_ps(sum[r][c]));
        sum[r][c] = _mm256_castps_si256(_mm256_fmadd_ps(second, high[c], half));
      }
    }
  } else {
    PITH_UNROLL for (int r = 0; r < R; ++r) {
      const __m256i x = _mm256_castps_si256(_mm256_broadcast_ss(factors + r * stride + at));
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(pair0, x));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(pair1, x));
    }
  }
}

template <typename C>
__m256 to_floats(__m256i sum) {
  return C::kFloat ? _mm256_castsi256_ps(sum) : _mm256_cvtepi32_ps(sum);
}

__m256 bf16_column(const std::byte* p) {
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

template <typename C>
void pack(const float* queries, Index rows, Index head_dim, float* packed) {
  if constexpr (C::kByteQueries) return pack_bytes<C>(queries, rows, head_dim, packed);
  if constexpr (!C::kFloat)
    return pack_integers(queries, rows, head_dim, most_factor<C>(head_dim), packed);
  for (Index r = 0; r < rows; ++r, queries += head_dim, packed += query_stride(head_dim)) {
    packed[0] = packed[1] = 0;
    for (Index d = 0; d < head_dim; d += 4)  // dimensions (0 2 1 3) of every four
      _mm_storeu_ps(packed + kQueryHeader + d,
                    _mm_permute_ps(_mm_loadu_ps(queries + d), 0 | 2 << 2 | 1 << 4 | 3 << 6));
  }
}

// Eight keys, byte by byte: sums of two products fit 16 bits, those of kGroups words still do.
template <typename C, int R>
void add_bytes(__m256i (&sum)[R][2], int half, const std::byte* tile, const float* q, Index dim) {
  constexpr Index kGroups = 4;
  const Index groups = C::groups(dim), stride = query_stride(dim);
  __m256i wide[R];
  PITH_UNROLL for (int r = 0; r < R; ++r) wide[r] = _mm256_setzero_si256();
  for (Index first = 0; first < groups; first += kGroups) {
    __m256i narrow[R];
    PITH_UNROLL for (int r = 0; r < R; ++r) narrow[r] = _mm256_setzero_si256();
    const Index last = groups - first < kGroups ? groups : first + kGroups;
    for (Index g = first; g < last; ++g) {
      const Words words = key_words<C>(tile, g, half, dim);
      unrolled<C::kParts>([&]<int k>() {
        const __m256i codes = part<C, k>(words);
        PITH_UNROLL for (int r = 0; r < R; ++r) {
          const __m256i x = _mm256_castps_si256(
              _mm256_broadcast_ss(q + r * stride + kQueryHeader + g * C::kParts + k));
          narrow[r] = _mm256_add_epi16(narrow[r], _mm256_maddubs_epi16(codes, x));
        }
      });
    }
    PITH_UNROLL for (int r = 0; r < R; ++r) wide[r] =
        _mm256_add_epi32(wide[r], _mm256_madd_epi16(narrow[r], _mm256_set1_epi16(1)));
  }
  PITH_UNROLL for (int r = 0; r < R; ++r) sum[r][half] = wide[r];
}

template <typename C, int R>
void qk_block(const AttentionStrip& s, Index tile, Index r0) {
  const Index dim = s.head_dim, stride = query_stride(dim);
  const float* q = s.queries + r0 * stride;
  const std::byte* words = s.tiles[tile];
  __m256i sum[R][2];
  if constexpr (C::kByteQueries) {
    add_bytes<C, R>(sum, 0, words, q, dim);
    add_bytes<C, R>(sum, 1, words, q, dim);
  } else {
    PITH_UNROLL for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
    for (Index g = 0; g < C::groups(dim); ++g) {
      const Words word0 = key_words<C>(words, g, 0, dim), word1 = key_words<C>(words, g, 1, dim);
      unrolled<C::kPairs>([&]<int k>() {
        add_pairs<C, R>(sum, pair<C, k>(word0), pair<C, k>(word1), q + kQueryHeader, stride,
                        g * C::kPairs + k);
      });
    }
  }
  PITH_UNROLL for (int c = 0; c < 2; ++c) {
    const std::byte* scales = words + C::key_scales(dim) + 16 * c;
    const __m256 scale = bf16_column(scales), zero = bf16_column(scales + 32);
    PITH_UNROLL for (int r = 0; r < R; ++r) {
      __m256 total = to_floats<C>(sum[r][c]);
      __m256 logits = _mm256_set1_ps(s.base ? s.base[r0 + r] : 0.0f);
      if constexpr (!C::kFloat) {
        logits = _mm256_fmadd_ps(zero, _mm256_broadcast_ss(q + r * stride + 1), logits);
        total = _mm256_mul_ps(total, _mm256_broadcast_ss(q + r * stride));
      }
      _mm256_storeu_ps(s.strip + (r0 + r) * s.stride + tile * kTileEntries + 8 * c,
                       _mm256_fmadd_ps(total, scale, logits));
    }
  }
}

template <typename C>
void qk(const AttentionStrip& s) {
  const Index ahead = ahead_tiles<C>(s.head_dim), bytes = C::bytes(s.head_dim);
  for (Index i = 0; i < tiles_of(s); ++i) {
    const char* next = tile_ahead(s, i, ahead);
    for (Index at = 0; at < bytes; at += 64) _mm_prefetch(next + at, _MM_HINT_T0);
    for_row_blocks(s.rows, [&]<int R>(Index r) { qk_block<C, R>(s, i, r); });
  }
}

// ---- weighted sums of values

// Weights times the entries' scales in the order of the codes' pairs: of 16-bit integers 8 words a
// tile, else 16 floats.
struct Weights {
  const float* words;  // [rows, stride]
  Index stride;
  const float* scales;  // [rows], of the integers
  const float* shifts;  // [rows], what zeros add to every column
};

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

// 16-bit integers in the order of entries -> in that of pairs.
template <typename C>
__m256i in_pairs(__m256i x) {
  if constexpr (C::kGroup == 16) {
    const __m128i low = _mm256_castsi256_si128(x), high = _mm256_extracti128_si256(x, 1);
    return _mm256_set_m128i(_mm_unpackhi_epi16(low, high), _mm_unpacklo_epi16(low, high));
  }
  const __m128i fours = _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15);
  const __m128i eights = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
  const __m128i order = C::kGroup == 4 ? fours : eights;
  return _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(order));
}

template <typename C>
void pack_weights(const float* x, const float* columns, Index n, float most_weight, float* words,
                  float* scale, float* shift) {
  const float* zeros = columns + n;
  if constexpr (C::kFloat) {
    *scale = 1;
    *shift = 0;
    for (Index j = 0; j < n; j += 4) {
      const __m128 weight = _mm_mul_ps(_mm_loadu_ps(x + j), _mm_load_ps(columns + j));
      _mm_storeu_ps(words + j, _mm_permute_ps(weight, 0 | 2 << 2 | 1 << 4 | 3 << 6));
    }
    return;
  }
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  __m256 most = _mm256_setzero_ps(), sum = _mm256_setzero_ps();
  for (Index j = 0; j < n; j += 8) {
    const __m256 row = _mm256_loadu_ps(x + j);
    const __m256 weight = _mm256_mul_ps(row, _mm256_load_ps(columns + j));
    most = _mm256_max_ps(most, _mm256_and_ps(weight, magnitude));
    sum = _mm256_fmadd_ps(row, _mm256_load_ps(zeros + j), sum);
  }
  const float top = max_of(most);
  *scale = top / most_weight;
  *shift = sum_of(sum);
  const __m256 inverse = _mm256_set1_ps(top > 0 ? most_weight / top : 0);
  const auto rounded = [&](Index j) {
    const __m256 weight = _mm256_mul_ps(_mm256_loadu_ps(x + j), _mm256_load_ps(columns + j));
    return _mm256_cvtps_epi32(_mm256_mul_ps(weight, inverse));
  };
  for (Index j = 0; j < n; j += 16) {
    const __m256i mixed = _mm256_packs_epi32(rounded(j), rounded(j + 8));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + j / 2),
                        in_pairs<C>(_mm256_permute4x64_epi64(mixed, 0xd8)));
  }
}

template <typename C>
Weights make_weights(const AttentionStrip& s) {
  const Index tiles = tiles_of(s), n = tiles * kTileEntries;
  auto* columns = reinterpret_cast<float*>(s.scratch);  // scales [n], zeros [n]
  for (Index i = 0; i < tiles; ++i) {
    const std::byte* at = s.tiles[i] + C::value_scales(s.head_dim);
    for (Index j = 0; j < 16; j += 8) {
      _mm256_store_ps(columns + i * 16 + j, bf16_column(at + 2 * j));
      _mm256_store_ps(columns + n + i * 16 + j, bf16_column(at + 32 + 2 * j));
    }
  }
  for (Index j = s.entries; j < n; ++j) columns[j] = columns[n + j] = 0;
  const Index stride = C::kFloat ? n : n / 2;
  float *words = columns + 2 * n, *scales = words + s.rows * stride;
  const float most = most_factor<C>(n);
  for (Index r = 0; r < s.rows; ++r)
    pack_weights<C>(s.strip + r * s.stride, columns, n, most, words + r * stride, scales + r,
                    scales + s.rows + r);
  return {words, stride, scales, scales + s.rows};
}

// R rows, 16 columns from column d on.
template <typename C, int R>
void pv_block(const AttentionStrip& s, const Weights& w, Index r0, Index d) {
  const Index dim = s.head_dim;
  const float* weights = w.words + r0 * w.stride;
  __m256i sum[R][2];
  PITH_UNROLL for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  for (Index i = 0; i < tiles_of(s); ++i) {
    for (Index g = 0; g < 16 / C::kGroup; ++g) {
      const Words word0 = value_words<C>(s.tiles[i], g, d, dim),
                  word1 = value_words<C>(s.tiles[i], g, d + 8, dim);
      unrolled<C::kPairs>([&]<int k>() {
        add_pairs<C, R>(sum, pair<C, k>(word0), pair<C, k>(word1), weights, w.stride,
                        i * 8 + g * C::kPairs + k);
      });
    }
  }
  PITH_UNROLL for (int r = 0; r < R; ++r) PITH_UNROLL for (int c = 0; c < 2; ++c) {
    float* out = s.out + (r0 + r) * dim + d + 8 * c;
    const __m256 before =
        _mm256_fmadd_ps(_mm256_broadcast_ss(s.factors + r0 + r), _mm256_loadu_ps(out),
                        _mm256_broadcast_ss(w.shifts + r0 + r));
    _mm256_storeu_ps(out, _mm256_fmadd_ps(to_floats<C>(sum[r][c]),
                                          _mm256_broadcast_ss(w.scales + r0 + r), before));
  }
}

template <typename C>
void pv(const AttentionStrip& s) {
  const Weights w = make_weights<C>(s);
  for (Index d = 0; d < s.head_dim; d += 16)
    for_row_blocks(s.rows, [&]<int R>(Index r) { pv_block<C, R>(s, w, r, d); });
}

template <Packing kPacking>
constexpr TileKernels kKernels = {pack<Codes<kPacking>>, qk<Codes<kPacking>>, pv<Codes<kPacking>>};

}  // namespace

const TileKernels kPackedAvx2[kPackings] = {kKernels<Packing::int8>, kKernels<Packing::int4>,
                                            kKernels<Packing::int2>, kKernels<Packing::e4m3>,
                                            kKernels<Packing::int3>};

}  // namespace pith
