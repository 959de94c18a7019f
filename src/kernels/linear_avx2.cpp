#include <immintrin.h>

#include <bit>

#include "kernels/blocks.h"
#include "kernels/linear_kernels.h"

namespace pith {
namespace {

// The fifth bits of 32 codes, in place: bit j of the four bytes belongs to code j.
inline __m256i fifth_bits(const std::uint8_t* p) {
  std::int32_t bits;
  __builtin_memcpy(&bits, p, sizeof bits);
  const __m256i byte_of_lane =
      _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit_of_lane = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201u));
  const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(bits), byte_of_lane);
  const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit_of_lane), bit_of_lane);
  return _mm256_and_si256(set, _mm256_set1_epi8(16));
}

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

#include "kernels/linear_x86_rows.h"

inline __m256i rows_mask(Index rows) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(rows)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

// Stores 8 rows of a tile from row `first`, or adds them to what is there.
inline void store_half(const __m256* sums, int tokens, const TileOutput& out, int first, bool add) {
  if (out.rows <= first) return;
  const __m256i mask = rows_mask(out.rows - first);
  const __m256 bias =
      out.bias && !add ? _mm256_maskload_ps(out.bias + first, mask) : _mm256_setzero_ps();
  for (int t = 0; t < tokens; ++t) {
    float* y = out.y + t * out.stride + first;
    const __m256 start = add ? _mm256_maskload_ps(y, mask) : bias;
    _mm256_maskstore_ps(y, mask, _mm256_add_ps(sums[t], start));
  }
}

inline __m256i four_of_all(const std::int8_t* p) {
  std::int32_t dword;
  __builtin_memcpy(&dword, p, sizeof dword);
  return _mm256_set1_epi32(dword);
}

// Adds `groups` groups of 4 products each to 8 dwords. Pair sums are kept in s16 as long as the
// largest cannot overflow: 8 groups of 4-bit codes (8 * 2 * 15 * 127 < 2^15), 4 of 5-bit, 2 of
// 6-bit. 8-bit codes are two 4-bit ones.
template <typename Type, int kTokens, int kDwords>
inline void multiply_groups(const std::uint8_t* codes, const std::int8_t* q, Index q_stride,
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
        const __m256i x = four_of_all(q + t * q_stride + 4 * i);
        const __m256i products = _mm256_maddubs_epi16(w_low, x);
        low[t] = i == from ? products : _mm256_add_epi16(low[t], products);
        if constexpr (Type::kMost == 255) {
          const __m256i high_products = _mm256_maddubs_epi16(w_high, x);
          high[t] = i == from ? high_products : _mm256_add_epi16(high[t], high_products);
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

// 8 rows of a panel, from row `first`, times kTokens tokens.
template <typename Type, int kTokens>
inline void fast_half_tile(const CodePanel& panel, Index units, const ActivationState& x,
                           Index token, const TileOutput& out, int first) {
  constexpr int kGroups = 32 / Type::kGroup, kDwords = Type::kGroup / 4;
  constexpr int kZeroShift = std::countr_zero(static_cast<unsigned>(Type::kZero | 256));
  const std::int8_t* q = x.q + token * x.q_stride;
  const float* token_scale = x.scale + token * x.block_stride;
  const float* token_sum = x.sum + token * x.block_stride;
  const std::int32_t* token_start =
      (kGroups == 1 ? x.minus_sum : x.minus_half_sum) + token * x.block_stride * kGroups;
  __m256 sums[kTokens];
  for (int t = 0; t < kTokens; ++t) sums[t] = _mm256_setzero_ps();
  for (Index u = 0; u < units; ++u)
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
      const Index group = u * kGroups + g;
      __m256i dots[kTokens];
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; ++t)
        dots[t] = Type::kHasMin
                      ? _mm256_setzero_si256()
                      : _mm256_slli_epi32(
                            _mm256_set1_epi32(token_start[t * x.block_stride * kGroups + group]),
                            kZeroShift);
      multiply_groups<Type, kTokens, kDwords>(panel.codes + u * 512 + g * 256 + first * 4,
                                              q + u * 32 + g * 16, x.q_stride, dots);
      const __m256 scale = _mm256_load_ps(panel.scale + group * kPanelRows + first);
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; ++t) {
        const __m256 factor =
            _mm256_mul_ps(scale, _mm256_broadcast_ss(token_scale + t * x.block_stride + u));
        sums[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[t]), factor, sums[t]);
      }
      if constexpr (Type::kHasMin) {
        const __m256 min = _mm256_load_ps(panel.min + group * kPanelRows + first);
#pragma GCC unroll 8
        for (int t = 0; t < kTokens; ++t)
          sums[t] = _mm256_fmadd_ps(min, _mm256_broadcast_ss(token_sum + t * x.block_stride + u),
                                    sums[t]);
      }
    }
  store_half(sums, kTokens, out, first, false);
}

template <typename Type, int kTokens>
void fast_tile(const CodePanel& panel, Index units, const ActivationState& x, Index token,
               const TileOutput& out) {
  fast_half_tile<Type, kTokens>(panel, units, x, token, out, 0);
  fast_half_tile<Type, kTokens>(panel, units, x, token, out, 8);
}

using FastTile = void (*)(const CodePanel& panel, Index units, const ActivationState& x,
                          Index token, const TileOutput& out);

template <typename Type>
struct FastTiles {
  static constexpr Index kMost = Type::kMost == 255 ? 4 : 6;
  static constexpr FastTile kTable[] = {fast_tile<Type, 1>, fast_tile<Type, 2>, fast_tile<Type, 3>,
                                        fast_tile<Type, 4>, fast_tile<Type, 5>, fast_tile<Type, 6>};
};

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
  store_half(low, kTokens, out, 0, add);
  store_half(high, kTokens, out, 8, add);
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
                                           panels_fast, 4,          4};
  return kTable;
}

}  // namespace pith
