#include <immintrin.h>

#include <cstdint>

#include "kernels/ceilings_kernels.h"

namespace pith {
namespace {

constexpr int kChains = 12;

std::uint64_t read(const std::byte* p, Index bytes) {
  __m256i sums[4] = {};
  for (Index i = 0; i < bytes; i += 128)
    for (int j = 0; j < 4; ++j)
      sums[j] = _mm256_xor_si256(
          sums[j], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i + 32 * j)));
  const __m256i all =
      _mm256_xor_si256(_mm256_xor_si256(sums[0], sums[1]), _mm256_xor_si256(sums[2], sums[3]));
  return static_cast<std::uint64_t>(_mm256_extract_epi64(all, 0) ^ _mm256_extract_epi64(all, 2));
}

// Keeps the compiler from looking into or removing a chain of operations.
template <typename Reg>
inline void touch(Reg& r) {
  asm volatile("" : "+x"(r));
}

void f32(Index rounds) {
  __m256 sums[kChains] = {}, a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(1.0f);
  for (Index r = 0; r < rounds; ++r)
#pragma GCC unroll 16
    for (auto& sum : sums) {
      sum = _mm256_fmadd_ps(a, b, sum);
      touch(sum);
    }
}

// Without VNNI: products of pairs in s16, pairs of those in s32, and their sum.
void int8(Index rounds) {
  __m256i sums[kChains] = {}, a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(-2);
  for (Index r = 0; r < rounds; ++r)
#pragma GCC unroll 16
    for (auto& sum : sums) {
      __m256i pairs = _mm256_maddubs_epi16(a, b);
      touch(pairs);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, a));
      touch(sum);
    }
}

}  // namespace

const CeilingKernels& ceiling_kernels_avx2() {
  static constexpr CeilingKernels kTable = {
      read, {f32, kChains * 16}, {nullptr, 0}, {int8, kChains * 64}};
  return kTable;
}

}  // namespace pith
