// The softmax of a strip with AVX-512. As in attention_avx512.cpp, nothing with shared inline
// functions may be used here.
#if defined(__GNUC__) && !defined(__clang__)  // g++ 12's own headers warn here (GCC bug 105593)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "kernels/attention_tables.h"

namespace pith {
namespace {

// exp(x) for x <= 0, relative error 2e-7, 0 below the smallest normal number. exp(x) = 2^n exp(r),
// |r| <= ln(2) / 2, and exp(r) = 1 + r + r^2 p(r) with p fitted for the least relative error.
__m512 exp_negative(__m512 x) {
  const __mmask16 normal =
      _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.33654f), _CMP_NLT_UQ);  // true for NaN
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145752f),
                              x);  // ln(2) to 15 bits: n times it is exact
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6f), r);
  __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0.0083125287f), r, _mm512_set1_ps(0.04189012f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.16667114f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.49999232f));
  p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r);
  return _mm512_maskz_scalef_ps(normal, _mm512_add_ps(p, _mm512_set1_ps(1)), n);
}

}  // namespace

float softmax_avx512(float* x, const float* bias, Index n, float* m) {
  __m512 top[2] = {_mm512_set1_ps(*m), _mm512_set1_ps(*m)};
  if (bias)
    for (Index j = 0; j < n; j += 16)
      _mm512_storeu_ps(x + j, _mm512_add_ps(_mm512_loadu_ps(x + j), _mm512_loadu_ps(bias + j)));
  Index i = 0;
  for (; i + 32 <= n; i += 32)
    PITH_UNROLL for (int k = 0; k < 2; ++k) top[k] =
        _mm512_max_ps(top[k], _mm512_loadu_ps(x + i + 16 * k));
  if (i < n) top[0] = _mm512_max_ps(top[0], _mm512_loadu_ps(x + i));
  *m = _mm512_reduce_max_ps(_mm512_max_ps(top[0], top[1]));
  const __m512 shift = _mm512_set1_ps(*m == -__builtin_inff() ? 0.0f : *m);
  __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  for (i = 0; i + 32 <= n; i += 32) PITH_UNROLL for (int k = 0; k < 2; ++k) {
      const __m512 e = exp_negative(_mm512_sub_ps(_mm512_loadu_ps(x + i + 16 * k), shift));
      _mm512_storeu_ps(x + i + 16 * k, e);
      sum[k] = _mm512_add_ps(sum[k], e);
    }
  if (i < n) {
    const __m512 e = exp_negative(_mm512_sub_ps(_mm512_loadu_ps(x + i), shift));
    _mm512_storeu_ps(x + i, e);
    sum[0] = _mm512_add_ps(sum[0], e);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(sum[0], sum[1]));
}

void scale_avx512(float* x, float factor, Index n) {
  const __m512 f = _mm512_set1_ps(factor);
  Index j = 0;
  for (; j + 16 <= n; j += 16) _mm512_storeu_ps(x + j, _mm512_mul_ps(_mm512_loadu_ps(x + j), f));
  for (; j < n; ++j) x[j] *= factor;
}

}  // namespace pith
