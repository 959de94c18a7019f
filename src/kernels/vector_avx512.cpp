#include <immintrin.h>

#include "kernels/vector_kernels.h"

namespace pith {
namespace {

struct V {
  using Reg = __m512;
  static constexpr Index kWidth = 16;

  static __mmask16 lanes_below(Index n) { return static_cast<__mmask16>((1u << n) - 1); }
  static Reg zero() { return _mm512_setzero_ps(); }
  static Reg all(float a) { return _mm512_set1_ps(a); }
  static Reg load(const float* p) { return _mm512_loadu_ps(p); }
  static Reg load(const float* p, Index n) { return _mm512_maskz_loadu_ps(lanes_below(n), p); }
  static void store(float* p, Reg v) { _mm512_storeu_ps(p, v); }
  static void store(float* p, Index n, Reg v) { _mm512_mask_storeu_ps(p, lanes_below(n), v); }
  static Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static Reg mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static Reg div(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  static Reg min(Reg a, Reg b) { return _mm512_min_ps(a, b); }
  static Reg max(Reg a, Reg b) { return _mm512_max_ps(a, b); }
  static Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static Reg nearest(Reg a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT); }
  static Reg scale2(Reg a, Reg n) { return _mm512_scalef_ps(a, n); }
  // Keeps the value where x is not a number, which comparisons "not less than" do.
  static Reg keep_ge(Reg a, Reg x, Reg least) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, least, _CMP_NLT_UQ), a);
  }
  static float sum(Reg v) { return _mm512_reduce_add_ps(v); }
  static float most(Reg v) { return _mm512_reduce_max_ps(v); }
};

#include "kernels/vector_body.h"

}  // namespace

const VectorKernels& vector_kernels_avx512() { return kTable; }

}  // namespace pith
