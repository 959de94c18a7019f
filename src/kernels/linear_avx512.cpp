#include <immintrin.h>

#include <bit>
#include <utility>

#include "kernels/blocks.h"
#include "kernels/linear_kernels.h"

namespace pith {
namespace {

#include "kernels/linear_x86_blocks.h"
// (the groups below need the types above)
#include "kernels/linear_x86_activations.h"

struct Lanes {
  using Reg = __m512;
  static constexpr Index kWidth = 16;
  static Reg zero() { return _mm512_setzero_ps(); }
  static Reg all(float a) { return _mm512_set1_ps(a); }
  static Reg load(const float* p) { return _mm512_loadu_ps(p); }
  static Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static float sum(Reg v) { return _mm512_reduce_add_ps(v); }
  static __m128i part(__m256i v, int i) {
    return i == 0 ? _mm256_castsi256_si128(v) : _mm256_extracti128_si256(v, 1);
  }
  static Reg from_u8(__m256i v, int i) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(part(v, i)));
  }
  static Reg from_s8(__m256i v, int i) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(part(v, i)));
  }
};

// Whether dot_codes allows for the zero point by itself.
template <typename Type>
constexpr bool kSignedDot = false;

template <typename Type>
inline __m256i dot_codes(__m256i codes, __m256i x) {
  return _mm256_dpbusd_epi32(_mm256_setzero_si256(), codes, x);
}

template <typename Type>
inline __m256i dot_pairs(const PairCodes& codes, __m256i first, __m256i last) {
  return _mm256_dpbusd_epi32(dot_codes<Type>(codes.first, first), codes.last, last);
}

#include "kernels/linear_x86_rows.h"

// Stores a tile, or adds it to what is there. Unrolled, or the sums would live in memory.
template <int kTokens>
inline void store_tile(const __m512 (&sums)[kTokens], const TileOutput& out, bool add) {
  const auto mask = static_cast<__mmask16>((1u << out.rows) - 1);
  const __m512 bias =
      out.bias && !add ? _mm512_maskz_loadu_ps(mask, out.bias) : _mm512_setzero_ps();
#pragma GCC unroll 16
  for (int t = 0; t < kTokens; ++t) {
    if (t >= out.tokens) break;
    float* y = out.y + t * out.stride;
    const __m512 start = add ? _mm512_maskz_loadu_ps(mask, y) : bias;
    _mm512_mask_storeu_ps(y, mask, _mm512_add_ps(sums[t], start));
  }
}

inline __m512i four_of_all(const std::int8_t* p) { return _mm512_set1_epi32(load4(p)); }

// 16 rows times a tile of tokens. Codes and activations are multiplied into int32, group by group;
// the zero point is allowed for by starting from -zero * (sum of the activations).
template <typename Type, int kTokens>
void fast_tile(const CodePanel& panel, Index units, const QuantizedTile& x, const TileOutput& out) {
  constexpr int kGroups = 32 / Type::kGroup, kDwords = Type::kGroup / 4;
  constexpr int kZeroShift = std::countr_zero(static_cast<unsigned>(Type::kZero | 256));
  const std::int32_t* start = kGroups == 1 ? x.minus_sum : x.minus_half_sum;
  const std::int8_t* q = x.q;
  const std::uint8_t* codes = panel.codes;
  __m512 sums[kTokens];
#pragma GCC unroll 16
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm512_setzero_ps();
  for (Index u = 0; u < units; ++u) {
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
      const Index group = u * kGroups + g;
      __m512i dots[kTokens];
#pragma GCC unroll 16
      for (int t = 0; t < kTokens; ++t)
        dots[t] = Type::kHasMin ? _mm512_setzero_si512()
                                : _mm512_slli_epi32(_mm512_set1_epi32(start[group * kTokens + t]),
                                                    kZeroShift);
#pragma GCC unroll 8
      for (int i = 0; i < kDwords; ++i) {
        const __m512i w = _mm512_load_si512(codes + 64 * i);
#pragma GCC unroll 16
        for (int t = 0; t < kTokens; ++t)
          dots[t] = _mm512_dpbusd_epi32(dots[t], w, four_of_all(q + (i * kTokens + t) * 4));
      }
      codes += 64 * kDwords;
      q += 4 * kDwords * kTokens;
      const __m512 scale = _mm512_load_ps(panel.scale + group * kPanelRows);
#pragma GCC unroll 16
      for (int t = 0; t < kTokens; ++t) {
        const __m512 factor = _mm512_mul_ps(scale, _mm512_set1_ps(x.scale[u * kTokens + t]));
        sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[t]), factor, sums[t]);
      }
      if constexpr (Type::kHasMin) {
        const __m512 min = _mm512_load_ps(panel.min + group * kPanelRows);
#pragma GCC unroll 16
        for (int t = 0; t < kTokens; ++t)
          sums[t] = _mm512_fmadd_ps(min, _mm512_set1_ps(x.sum[u * kTokens + t]), sums[t]);
      }
    }
  }
  store_tile(sums, out, false);
}

using FastTile = void (*)(const CodePanel& panel, Index units, const QuantizedTile& x,
                          const TileOutput& out);

constexpr Index kMostTile = 12;
template <typename Type>
constexpr FastTile kFastTiles[] = {fast_tile<Type, 1>,  fast_tile<Type, 2>,  fast_tile<Type, 3>,
                                   fast_tile<Type, 4>,  fast_tile<Type, 5>,  fast_tile<Type, 6>,
                                   fast_tile<Type, 7>,  fast_tile<Type, 8>,  fast_tile<Type, 9>,
                                   fast_tile<Type, 10>, fast_tile<Type, 11>, fast_tile<Type, 12>};

// 16 rows times kTokens tokens in f32; with `add`, onto what y holds.
template <int kTokens>
void exact_tile(const float* panel, Index width, const float* x, Index x_stride, bool add,
                const TileOutput& out) {
  __m512 sums[kTokens];
#pragma GCC unroll 16
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm512_setzero_ps();
#pragma GCC unroll 4
  for (Index k = 0; k < width; ++k) {
    const __m512 w = _mm512_load_ps(panel + k * kPanelRows);
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; ++t)
      sums[t] = _mm512_fmadd_ps(w, _mm512_set1_ps(x[t * x_stride + k]), sums[t]);
  }
  store_tile(sums, out, add);
}

using ExactTile = void (*)(const float* panel, Index width, const float* x, Index x_stride,
                           bool add, const TileOutput& out);
constexpr Index kExactTile = 12;
constexpr ExactTile kExactTiles[] = {exact_tile<1>, exact_tile<2>,  exact_tile<3>,  exact_tile<4>,
                                     exact_tile<5>, exact_tile<6>,  exact_tile<7>,  exact_tile<8>,
                                     exact_tile<9>, exact_tile<10>, exact_tile<11>, exact_tile<12>};

#include "kernels/linear_x86_panels.h"

}  // namespace

const LinearKernels& linear_kernels_avx512() {
  static constexpr LinearKernels kTable = {prepare,     rows_exact, rows_fast, panels_exact,
                                           panels_fast, 4,          4,         kMostTile};
  return kTable;
}

}  // namespace pith
