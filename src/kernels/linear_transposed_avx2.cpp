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
    const auto half_of = [](__m128i c, float s, float m, float* to) {
      for (int i : {0, 8}) {
        const __m256i eight = _mm256_cvtepu8_epi32(i == 0 ? c : _mm_srli_si128(c, 8));
        _mm256_storeu_ps(to + i, _mm256_fmadd_ps(_mm256_cvtepi32_ps(eight), _mm256_set1_ps(s),
                                                 _mm256_set1_ps(m)));
      }
    };
    half_of(_mm256_castsi256_si128(codes), scale, min, first);
    half_of(_mm256_extracti128_si256(codes, 1), last_scale, last_min, last);
  }
};

struct F32Step {
  using Element = float;
  using Reg = __m256;
  static constexpr Index kWidth = 8, kTile = 6, kRows = 1;
  static Reg zero() { return _mm256_setzero_ps(); }
  static Reg load(const float* w) { return _mm256_load_ps(w); }
  static Reg all(float y) { return _mm256_set1_ps(y); }
  static Reg add(Reg w, Reg y, Reg sum) { return _mm256_fmadd_ps(w, y, sum); }
  static void put(Reg sum, bool add, float* to) {
    _mm256_storeu_ps(to, add ? _mm256_add_ps(sum, _mm256_loadu_ps(to)) : sum);
  }
  static void join(const float* row, const float*, float* out) {
    _mm256_store_ps(out, _mm256_load_ps(row));
    _mm256_store_ps(out + 8, _mm256_load_ps(row + 8));
  }
};

#include "kernels/linear_x86_transposed.h"

}  // namespace

const TransposedKernels& transposed_kernels_avx2() {
  static constexpr TransposedKernels kTable = {transposed<F32Step>, nullptr, nullptr};
  return kTable;
}

}  // namespace pith
