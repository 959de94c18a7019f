// Rounding of activations to int8 blocks, and their sums. Included by linear_avx2.cpp and
// linear_avx512.cpp inside their anonymous namespaces, after linear_x86_blocks.h; not a header for
// others.

// The sums of the first and the last 16 of 32 int8.
inline void sums_of_halves(__m256i q, std::int32_t (&sums)[2]) {
  const __m256i fours =
      _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), q), _mm256_set1_epi16(1));
  const __m256i twos = _mm256_hadd_epi32(fours, fours);
  const __m256i ones = _mm256_hadd_epi32(twos, twos);
  sums[0] = _mm_cvtsi128_si32(_mm256_castsi256_si128(ones));
  sums[1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(ones, 1));
}

inline float most_of(__m256 v) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

void prepare(const ActivationState& x, Index token) {
  alignas(32) static constexpr float kZeros[32] = {};
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  const bool filler = token >= x.tokens;
  const Index slot = token % x.tile, first = token - slot, blocks = x.cols / 32;
  for (Index b = 0; b < blocks; ++b) {
    const float* from = filler ? kZeros : x.x + token * x.x_stride + 32 * b;
    const Index at = first * x.block_stride + b * x.tile + slot;
    __m256 v[4];
    for (int i = 0; i < 4; ++i) v[i] = _mm256_loadu_ps(from + 8 * i);
    if (!x.quantized) {
      x.sum[at] = sum_of(_mm256_add_ps(_mm256_add_ps(v[0], v[1]), _mm256_add_ps(v[2], v[3])));
      continue;
    }
    __m256 peak = _mm256_setzero_ps();
    for (auto& part : v) peak = _mm256_max_ps(peak, _mm256_and_ps(part, magnitude));
    float most = most_of(peak);
    if (most < kLeastActivation) most = 0;
    const __m256 inverse = _mm256_set1_ps(most > 0 ? 127 / most : 0);
    __m256i q[4];
    for (int i = 0; i < 4; ++i) q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));
    // The packs work within 128 bits, so the dwords come out as 0 4 1 5 2 6 3 7 of the blocks of 4.
    const __m256i packed =
        _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
    const __m256i codes =
        _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    alignas(32) std::int32_t dwords[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(dwords), codes);
    std::int8_t* to = x.q + first * x.cols + (8 * b * x.tile + slot) * 4;
    for (int i = 0; i < 8; ++i) __builtin_memcpy(to + i * x.tile * 4, dwords + i, 4);
    if (x.tile == 1) {
      std::int8_t* pair = x.q_pairs + token * x.block_stride * 32 + b / 2 * 64 + b % 2 * 16;
      _mm_storeu_si128(reinterpret_cast<__m128i*>(pair), _mm256_castsi256_si128(codes));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(pair + 32), _mm256_extracti128_si256(codes, 1));
    }
    std::int32_t sums[2];
    sums_of_halves(codes, sums);
    const float scale = most / 127;
    x.scale[at] = scale;
    x.sum[at] = scale * static_cast<float>(sums[0] + sums[1]);
    x.minus_sum[at] = -(sums[0] + sums[1]);
    for (Index i = 0; i < 2; ++i) {
      const Index half_at = 2 * first * x.block_stride + (2 * b + i) * x.tile + slot;
      x.half_sum[half_at] = scale * static_cast<float>(sums[i]);
      x.minus_half_sum[half_at] = -sums[i];
    }
  }
}
