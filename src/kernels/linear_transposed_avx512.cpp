#include <immintrin.h>

#include <utility>

#include "kernels/blocks.h"
#include "kernels/linear_kernels.h"
#include "kernels/linear_transposed_kernels.h"

namespace pith {
namespace {

#include "kernels/linear_x86_blocks.h"

struct Wide {
  // 32 codes as scale * code + min, with factors of their own for the first and the last 16.
  static void widen(__m256i codes, float scale, float min, float last_scale, float last_min,
                    float* first, float* last) {
    const auto half_of = [](__m128i c, float s, float m) {
      return _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(c)), _mm512_set1_ps(s),
                             _mm512_set1_ps(m));
    };
    _mm512_storeu_ps(first, half_of(_mm256_castsi256_si128(codes), scale, min));
    _mm512_storeu_ps(last, half_of(_mm256_extracti128_si256(codes, 1), last_scale, last_min));
  }
};

struct Sums {
  using Reg = __m512;
  static constexpr Index kWidth = 16, kTile = 12;
  static Reg zero() { return _mm512_setzero_ps(); }
  static void put(Reg sum, bool add, float* to) {
    _mm512_storeu_ps(to, add ? _mm512_add_ps(sum, _mm512_loadu_ps(to)) : sum);
  }
};

struct F32Step : Sums {
  using Element = float;
  static constexpr Index kRows = 1;
  static Reg load(const float* w) { return _mm512_load_ps(w); }
  static Reg all(float y) { return _mm512_set1_ps(y); }
  static Reg add(Reg w, Reg y, Reg sum) { return _mm512_fmadd_ps(w, y, sum); }
  static void join(const float* row, const float*, float* out) {
    _mm512_store_ps(out, _mm512_load_ps(row));
    _mm512_store_ps(out + 16, _mm512_load_ps(row + 16));
  }
};

// Pairs of rows, rounded to bf16, as the dot product instruction takes them.
struct Bf16Step : Sums {
  using Element = std::int32_t;
  static constexpr Index kRows = 2;
  static __m512i load(const std::int32_t* w) { return _mm512_load_si512(w); }
  static __m512i all(std::int32_t y) { return _mm512_set1_epi32(y); }
  static Reg add(__m512i w, __m512i y, Reg sum) {
    return _mm512_dpbf16_ps(sum, (__m512bh)w, (__m512bh)y);
  }
  static void join(const float* first, const float* second, std::int32_t* out) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i order =  // i, 16 + i
        _mm512_or_si512(lanes,
                        _mm512_slli_epi32(_mm512_add_epi32(lanes, _mm512_set1_epi32(16)), 16));
    for (Index i = 0; i < 32; i += 16) {
      const __m512bh both =
          _mm512_cvtne2ps_pbh(_mm512_load_ps(second + i), _mm512_load_ps(first + i));
      _mm512_store_si512(out + i, _mm512_permutexvar_epi16(order, (__m512i)both));
    }
  }
};

#include "kernels/linear_x86_transposed.h"

void round_row(const float* y, Index count, bf16* out) {
  Index i = 0;
  for (; i + 16 <= count; i += 16)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                        (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(y + i)));
  if (i == count) return;
  const auto mask = static_cast<__mmask16>((1u << (count - i)) - 1);
  _mm256_mask_storeu_epi16(out + i, mask,
                           (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, y + i)));
}

}  // namespace

const TransposedKernels& transposed_kernels_avx512() {
  static constexpr TransposedKernels kTable = {transposed<F32Step>, transposed<Bf16Step>,
                                               round_row};
  return kTable;
}

}  // namespace pith
