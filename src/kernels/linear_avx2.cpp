#include <immintrin.h>

#include <bit>

#include "kernels/blocks.h"
#include "kernels/linear_kernels.h"

namespace pith {
namespace {

#include "kernels/linear_x86_blocks.h"
// (the groups below need the types above)
#include "kernels/linear_x86_activations.h"

struct Lanes {
  using Reg = __m256;
  static constexpr Index kWidth = 8;
  static Reg zero() { return _mm256_setzero_ps(); }
  static Reg all(float a) { return _mm256_set1_ps(a); }
  static Reg load(const float* p) { return _mm256_loadu_ps(p); }
  static Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static float sum(Reg v) { return sum_of(v); }
  static __m128i part(__m256i v, int i) {
    const __m128i x = i < 2 ? _mm256_castsi256_si128(v) : _mm256_extracti128_si256(v, 1);
    return i % 2 ? _mm_srli_si128(x, 8) : x;
  }
  static Reg from_u8(__m256i v, int i) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(part(v, i)));
  }
  static Reg from_s8(__m256i v, int i) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(part(v, i)));
  }
};

// Whether dot_codes allows for the zero point by itself.
template <typename Type>
constexpr bool kSignedDot = Type::kMost == 255;

// Pairs of products are summed with saturation to s16: codes up to 128 times |x| <= 127 are safe,
// so 8-bit codes become a magnitude, and their sign goes to x.
template <typename Type>
inline __m256i dot_codes(__m256i codes, __m256i x) {
  if constexpr (Type::kMost == 255) {
    const __m256i w = _mm256_xor_si256(codes, _mm256_set1_epi8(-128));
    x = _mm256_sign_epi8(x, w);
    codes = _mm256_abs_epi8(w);
  }
  return _mm256_madd_epi16(_mm256_maddubs_epi16(codes, x), _mm256_set1_epi16(1));
}

// The sum of two such products; of codes below 32, four pairs fit into s16.
template <typename Type>
inline __m256i dot_pairs(const PairCodes& codes, __m256i first, __m256i last) {
  const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(codes.first, first),
                                         _mm256_maddubs_epi16(codes.last, last));
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

#include "kernels/linear_x86_rows.h"

inline __m256i rows_mask(Index rows) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(rows)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

// Stores 8 rows of a tile from row `first`, or adds them to what is there. Unrolled, or the sums
// would live in memory.
template <int kTokens>
inline void store_half(const __m256 (&sums)[kTokens], const TileOutput& out, int first, bool add) {
  if (out.rows <= first) return;
  const __m256i mask = rows_mask(out.rows - first);
  const __m256 bias =
      out.bias && !add ? _mm256_maskload_ps(out.bias + first, mask) : _mm256_setzero_ps();
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) {
    if (t >= out.tokens) break;
    float* y = out.y + t * out.stride + first;
    const __m256 start = add ? _mm256_maskload_ps(y, mask) : bias;
    _mm256_maskstore_ps(y, mask, _mm256_add_ps(sums[t], start));
  }
}

inline __m256i four_of_all(const std::int8_t* p) { return _mm256_set1_epi32(load4(p)); }

// Keeps GCC from regrouping a chain of additions into a tree, which would need a register per term.
inline void pin(__m256i& v) { asm("" : "+x"(v)); }

// Adds kDwords groups of 4 products each to 8 dwords, for kTokens of the kTile tokens of `q`. Pair
// sums are kept in s16 as long as the largest cannot overflow: 8 groups of 4-bit codes (8 * 2 * 15
// * 127 < 2^15), 4 of 5-bit, 2 of 6-bit. 8-bit codes are two 4-bit ones.
template <typename Type, int kTile, int kTokens, int kDwords>
inline void multiply_groups(const std::uint8_t* codes, const std::int8_t* q,
                            __m256i (&dots)[kTokens]) {
  constexpr int kRun = Type::kMost <= 15 ? 8 : Type::kMost <= 31 ? 4 : Type::kMost <= 63 ? 2 : 8;
  static_assert(kDwords % kRun == 0);
#pragma GCC unroll 4
  for (int from = 0; from < kDwords; from += kRun) {
    __m256i low[kTokens], high[kTokens];
#pragma GCC unroll 8
    for (int i = from; i < from + kRun; ++i) {
      const __m256i w = _mm256_load_si256(reinterpret_cast<const __m256i*>(codes + i * 64));
      const __m256i w_low = Type::kMost == 255 ? move_bits<0, 0, 4>(w) : w;
      const __m256i w_high = Type::kMost == 255 ? move_bits<4, 0, 4>(w) : w;
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; ++t) {
        const __m256i x = four_of_all(q + (i * kTile + t) * 4);
        const __m256i products = _mm256_maddubs_epi16(w_low, x);
        low[t] = i == from ? products : _mm256_add_epi16(low[t], products);
        pin(low[t]);
        if constexpr (Type::kMost == 255) {
          const __m256i high_products = _mm256_maddubs_epi16(w_high, x);
          high[t] = i == from ? high_products : _mm256_add_epi16(high[t], high_products);
          pin(high[t]);
        }
      }
    }
#pragma GCC unroll 8
    for (int t = 0; t < kTokens; ++t) {
      dots[t] = _mm256_add_epi32(dots[t], _mm256_madd_epi16(low[t], _mm256_set1_epi16(1)));
      if constexpr (Type::kMost == 255)
        dots[t] = _mm256_add_epi32(dots[t], _mm256_madd_epi16(high[t], _mm256_set1_epi16(16)));
    }
  }
}

// 8 rows of a panel, from row `row`, times kTokens of a tile of kTile tokens, from kFirst.
template <typename Type, int kTile, int kFirst, int kTokens>
inline void fast_half_tile(const CodePanel& panel, Index units, const QuantizedTile& x, int row,
                           TileOutput out) {
  constexpr int kGroups = 32 / Type::kGroup, kDwords = Type::kGroup / 4;
  constexpr int kZeroShift = std::countr_zero(static_cast<unsigned>(Type::kZero | 256));
  const std::int32_t* start = kGroups == 1 ? x.minus_sum : x.minus_half_sum;
  const std::int8_t* q = x.q + 4 * kFirst;
  const std::uint8_t* codes = panel.codes + 4 * row;
  __m256 sums[kTokens];
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm256_setzero_ps();
  for (Index u = 0; u < units; ++u)
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
      const Index group = u * kGroups + g;
      __m256i dots[kTokens];
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; ++t) dots[t] = _mm256_setzero_si256();
      multiply_groups<Type, kTile, kTokens, kDwords>(codes, q, dots);
      codes += 64 * kDwords;
      q += 4 * kDwords * kTile;
      const __m256 scale = _mm256_load_ps(panel.scale + group * kPanelRows + row);
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; ++t) {
        if constexpr (!Type::kHasMin)
          dots[t] = _mm256_add_epi32(
              dots[t],
              _mm256_slli_epi32(_mm256_set1_epi32(start[group * kTile + kFirst + t]), kZeroShift));
        const Index at = u * kTile + kFirst + t;
        const __m256 factor = _mm256_mul_ps(scale, _mm256_broadcast_ss(x.scale + at));
        sums[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[t]), factor, sums[t]);
        if constexpr (Type::kHasMin)
          sums[t] = _mm256_fmadd_ps(_mm256_load_ps(panel.min + group * kPanelRows + row),
                                    _mm256_broadcast_ss(x.sum + at), sums[t]);
      }
    }
  out.y += kFirst * out.stride;
  out.tokens -= kFirst;
  store_half(sums, out, row, false);
}

template <typename Type, int kTokens>
void fast_tile(const CodePanel& panel, Index units, const QuantizedTile& x, const TileOutput& out) {
  for (int row : {0, 8}) {
    if constexpr (Type::kMost == 255 && kTokens > 3) {  // twice the registers per token
      fast_half_tile<Type, kTokens, 0, 3>(panel, units, x, row, out);
      fast_half_tile<Type, kTokens, 3, kTokens - 3>(panel, units, x, row, out);
    } else {
      fast_half_tile<Type, kTokens, 0, kTokens>(panel, units, x, row, out);
    }
  }
}

using FastTile = void (*)(const CodePanel& panel, Index units, const QuantizedTile& x,
                          const TileOutput& out);

constexpr Index kMostTile = 6;
template <typename Type>
constexpr FastTile kFastTiles[] = {fast_tile<Type, 1>, fast_tile<Type, 2>, fast_tile<Type, 3>,
                                   fast_tile<Type, 4>, fast_tile<Type, 5>, fast_tile<Type, 6>};

// 16 rows times kTokens tokens in f32; with `add`, onto what y holds.
template <int kTokens>
void exact_tile(const float* panel, Index width, const float* x, Index x_stride, bool add,
                const TileOutput& out) {
  __m256 low[kTokens], high[kTokens];
#pragma GCC unroll 8
  for (int t = 0; t < kTokens; ++t) low[t] = high[t] = _mm256_setzero_ps();
#pragma GCC unroll 4
  for (Index k = 0; k < width; ++k) {
    const __m256 w_low = _mm256_load_ps(panel + k * kPanelRows);
    const __m256 w_high = _mm256_load_ps(panel + k * kPanelRows + 8);
#pragma GCC unroll 8
    for (int t = 0; t < kTokens; ++t) {
      const __m256 factor = _mm256_broadcast_ss(x + t * x_stride + k);
      low[t] = _mm256_fmadd_ps(w_low, factor, low[t]);
      high[t] = _mm256_fmadd_ps(w_high, factor, high[t]);
    }
  }
  store_half(low, out, 0, add);
  store_half(high, out, 8, add);
}

using ExactTile = void (*)(const float* panel, Index width, const float* x, Index x_stride,
                           bool add, const TileOutput& out);
constexpr Index kExactTile = 6;
constexpr ExactTile kExactTiles[] = {exact_tile<1>, exact_tile<2>, exact_tile<3>,
                                     exact_tile<4>, exact_tile<5>, exact_tile<6>};

#include "kernels/linear_x86_panels.h"

}  // namespace

const LinearKernels& linear_kernels_avx2() {
  static constexpr LinearKernels kTable = {prepare,     rows_exact, rows_fast, panels_exact,
                                           panels_fast, 4,          4,         kMostTile};
  return kTable;
}

}  // namespace pith
