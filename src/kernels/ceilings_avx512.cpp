#include <immintrin.h>

#include <cstdint>

#include "kernels/ceilings_kernels.h"

namespace pith {
namespace {

constexpr int kChains = 12;

std::uint64_t read(const std::byte* p, Index bytes) {
  __m512i sums[4] = {};
  for (Index i = 0; i < bytes; i += 256)
    for (int j = 0; j < 4; ++j)
      sums[j] = _mm512_xor_si512(sums[j], _mm512_loadu_si512(p + i + 64 * j));
  return static_cast<std::uint64_t>(_mm512_reduce_add_epi64(
      _mm512_xor_si512(_mm512_xor_si512(sums[0], sums[1]), _mm512_xor_si512(sums[2], sums[3]))));
}

// Keeps the compiler from looking into or removing a chain of operations.
template <typename Reg>
inline void touch(Reg& r) {
  asm volatile("" : "+v"(r));
}

void f32(Index rounds) {
  __m512 sums[kChains] = {}, a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(1.0f);
  for (Index r = 0; r < rounds; ++r)
#pragma GCC unroll 16
    for (auto& sum : sums) {
      sum = _mm512_fmadd_ps(a, b, sum);
      touch(sum);
    }
}

void bf16(Index rounds) {
  __m512 sums[kChains] = {};
  const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(1.0f));
  for (Index r = 0; r < rounds; ++r)
#pragma GCC unroll 16
    for (auto& sum : sums) {
      sum = _mm512_dpbf16_ps(sum, a, a);
      touch(sum);
    }
}

void int8(Index rounds) {
  __m512i sums[kChains] = {}, a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(-2);
  for (Index r = 0; r < rounds; ++r)
#pragma GCC unroll 16
    for (auto& sum : sums) {
      sum = _mm512_dpbusd_epi32(sum, a, b);
      touch(sum);
    }
}

}  // namespace

const CeilingKernels& ceiling_kernels_avx512() {
  static constexpr CeilingKernels kTable = {
      read, {f32, kChains * 32}, {bf16, kChains * 64}, {int8, kChains * 128}};
  return kTable;
}

}  // namespace pith
