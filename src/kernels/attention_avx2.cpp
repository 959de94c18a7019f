// As in attention_avx512.cpp, nothing with shared inline functions may be used here.
#include <immintrin.h>

#include "kernels/attention_tables.h"

namespace pith {
namespace {

const char* bytes(const std::byte* p) { return reinterpret_cast<const char*>(p); }
const float* floats(const std::byte* p) { return reinterpret_cast<const float*>(p); }

// Calls f.template operator()<R>(first) for blocks of R <= 6 rows: sixes, and what is left in two blocks about as large.
template <typename F>
void for_row_blocks(Index rows, const F& f) {
  Index r = 0;
  for (; rows - r >= 12; r += 6) f.template operator()<6>(r);
  while (r < rows) {
    const Index count = rows - r > 6 ? (rows - r + 1) / 2 : rows - r;
    switch (count) {
      case 1: f.template operator()<1>(r); break;
      case 2: f.template operator()<2>(r); break;
      case 3: f.template operator()<3>(r); break;
      case 4: f.template operator()<4>(r); break;
      case 5: f.template operator()<5>(r); break;
      case 6: f.template operator()<6>(r); break;
    }
    r += count;
  }
}

__m256 low_half(__m256i pairs) { return _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)); }
__m256 high_half(__m256i pairs) {
  return _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000))));
}

// ---- logits: two registers hold the same dimension of 16 keys

template <int R>
void add_dimension(__m256 (&sum)[R][2], const float* q, Index stride, __m256 key0, __m256 key1) {
  for (int r = 0; r < R; ++r) {
    const __m256 x = _mm256_broadcast_ss(q + r * stride);
    sum[r][0] = _mm256_fmadd_ps(x, key0, sum[r][0]);
    sum[r][1] = _mm256_fmadd_ps(x, key1, sum[r][1]);
  }
}

struct Bf16Keys {
  template <int R>
  static void run(const std::byte* tile, const float* q, Index dim, __m256 (&sum)[R][2]) {
    for (Index d = 0; d < dim; d += 2, tile += 64) {
      const auto* pairs = reinterpret_cast<const __m256i*>(tile);
      add_dimension<R>(sum, q + d, dim, low_half(_mm256_load_si256(pairs)), low_half(_mm256_load_si256(pairs + 1)));
      add_dimension<R>(sum, q + d + 1, dim, high_half(_mm256_load_si256(pairs)), high_half(_mm256_load_si256(pairs + 1)));
    }
  }
};

struct F32Keys {
  template <int R>
  static void run(const std::byte* tile, const float* q, Index dim, __m256 (&sum)[R][2]) {
    for (Index d = 0; d < dim; ++d, tile += 64)
      add_dimension<R>(sum, q + d, dim, _mm256_load_ps(floats(tile)), _mm256_load_ps(floats(tile) + 8));
  }
};

template <typename Keys>
void qk(const AttentionStrip& s) {
  const Index value_bytes = kTileEntries * s.head_dim * (sizeof(Keys) && Keys::kBytes);
  (void)value_bytes;
}

}  // namespace
}  // namespace pith
