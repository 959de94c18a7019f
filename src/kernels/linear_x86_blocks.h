// The quantised types as vectors: every type is read as unsigned codes, 32 at a time, with
//   weight = scale * code + min,  or, without minima,  weight = scale * (code - kZero),
// one scale for kGroup weights. Included by linear_avx2.cpp and linear_avx512.cpp inside their
// anonymous namespaces, after they define `fifth_bits`; it is not a header for anyone else.

inline __m256i load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline float half(f16 x) { return _cvtsh_ss(x.bits); }
inline __m256i low_bits(__m256i x, char mask) {
  return _mm256_and_si256(x, _mm256_set1_epi8(mask));
}

// 16 bytes to 32 codes: the low halves, then the high halves.
inline __m256i nibbles(const std::uint8_t* p) {
  const __m128i x = load16(p);
  return low_bits(_mm256_set_m128i(_mm_srli_epi16(x, 4), x), 15);
}

// What the types of one block of 32 share. `codes(block, s)` are those of the s-th 32 weights.
template <typename B, int most, int zero>
struct Block32 {
  using Block = B;
  static constexpr Index kUnits = 1;   // times 32 weights in a block
  static constexpr Index kGroup = 32;  // weights to a scale
  static constexpr int kMost = most;   // the largest code
  static constexpr int kZero = zero;   // the code of 0, where there are no minima
  static constexpr bool kHasMin = zero == 0;

  // The scales (and minima) of consecutive groups.
  static void scales(const Block* block, Index groups, float* scale, float* min) {
    for (Index g = 0; g < groups; ++g) {
      scale[g] = half(block[g].d);
      if constexpr (kHasMin) min[g] = half(block[g].m);
    }
  }
};

struct Q8_0 : Block32<BlockQ8_0, 255, 128> {
  static __m256i codes(const Block* block, int) {
    return _mm256_xor_si256(load32(block->qs), _mm256_set1_epi8(-128));
  }
};
struct Q4_0 : Block32<BlockQ4_0, 15, 8> {
  static __m256i codes(const Block* block, int) { return nibbles(block->qs); }
};
struct Q4_1 : Block32<BlockQ4_1, 15, 0> {
  static __m256i codes(const Block* block, int) { return nibbles(block->qs); }
};
struct Q5_0 : Block32<BlockQ5_0, 31, 16> {
  static __m256i codes(const Block* block, int) {
    return _mm256_or_si256(nibbles(block->qs), fifth_bits(block->qh));
  }
};
struct Q5_1 : Block32<BlockQ5_1, 31, 0> {
  static __m256i codes(const Block* block, int) {
    return _mm256_or_si256(nibbles(block->qs), fifth_bits(block->qh));
  }
};

// Moves bits [from, from + count) of every byte to bits [to, to + count).
template <int from, int to, int count>
inline __m256i move_bits(__m256i x) {
  constexpr int mask = ((1 << count) - 1) << to;
  if constexpr (from > to) x = _mm256_srli_epi16(x, from - to);
  if constexpr (from < to) x = _mm256_slli_epi16(x, to - from);
  return low_bits(x, static_cast<char>(mask));
}

// Q4_K and Q5_K: 8 scales and 8 minima of 6 bits in 12 bytes. Bytes 0-3 and 4-7 hold the first four
// scales and minima; bytes 8-11 the low 4 bits of the others (scale low, minimum high), whose top 2
// bits are the top bits of bytes 0-7.
template <typename B, int most>
struct BlockK {
  using Block = B;
  static constexpr Index kUnits = 8, kGroup = 32;
  static constexpr int kMost = most, kZero = 0;
  static constexpr bool kHasMin = true;

  static void scales(const Block* block, Index groups, float* scale, float* min) {
    const __m128i low_order = _mm_setr_epi8(0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 8, 9, 10, 11);
    const __m128i high_order =
        _mm_setr_epi8(-1, -1, -1, -1, 0, 1, 2, 3, -1, -1, -1, -1, 4, 5, 6, 7);
    const __m128i low_mask = _mm_setr_epi32(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f);
    for (Index g = 0; g < groups; g += 8, ++block) {
      const __m128i packed = load16(block->scales);  // 4 bytes more than needed, of the same block
      const __m128i low = _mm_and_si128(
          _mm_srlv_epi32(_mm_shuffle_epi8(packed, low_order), _mm_setr_epi32(0, 0, 0, 4)),
          low_mask);
      const __m128i high = _mm_and_si128(_mm_srli_epi16(_mm_shuffle_epi8(packed, high_order), 2),
                                         _mm_set1_epi8(0x30));
      const __m128i both = _mm_or_si128(low, high);
      const __m256 s = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(both));
      const __m256 m = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(both, 8)));
      _mm256_storeu_ps(scale + g, _mm256_mul_ps(s, _mm256_set1_ps(half(block->d))));
      _mm256_storeu_ps(min + g, _mm256_mul_ps(m, _mm256_set1_ps(-half(block->dmin))));
    }
  }
};

inline __m256i nibbles_of(const std::uint8_t* qs, int s) {
  const __m256i x = load32(qs + s / 2 * 32);
  return s % 2 ? move_bits<4, 0, 4>(x) : move_bits<0, 0, 4>(x);
}

struct Q4_K : BlockK<BlockQ4_K, 15> {
  static __m256i codes(const Block* block, int s) { return nibbles_of(block->qs, s); }
};

struct Q5_K : BlockK<BlockQ5_K, 31> {
  static __m256i fifth(const Block* block, int s) {
    const __m256i x = load32(block->qh);
    switch (s) {
      case 0:
        return move_bits<0, 4, 1>(x);
      case 1:
        return move_bits<1, 4, 1>(x);
      case 2:
        return move_bits<2, 4, 1>(x);
      case 3:
        return move_bits<3, 4, 1>(x);
      case 4:
        return move_bits<4, 4, 1>(x);
      case 5:
        return move_bits<5, 4, 1>(x);
      case 6:
        return move_bits<6, 4, 1>(x);
      default:
        return move_bits<7, 4, 1>(x);
    }
  }
  static __m256i codes(const Block* block, int s) {
    return _mm256_or_si256(nibbles_of(block->qs, s), fifth(block, s));
  }
};

struct Q6_K {
  using Block = BlockQ6_K;
  static constexpr Index kUnits = 8, kGroup = 16;
  static constexpr int kMost = 63, kZero = 32;
  static constexpr bool kHasMin = false;

  static void scales(const Block* block, Index groups, float* scale, float*) {
    for (Index g = 0; g < groups; g += 16, ++block) {
      const __m256 d = _mm256_set1_ps(half(block->d));
      const __m128i packed = load16(block->scales);
      const __m256 first = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(packed));
      const __m256 last = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(packed, 8)));
      _mm256_storeu_ps(scale + g, _mm256_mul_ps(first, d));
      _mm256_storeu_ps(scale + g + 8, _mm256_mul_ps(last, d));
    }
  }
  static __m256i codes(const Block* block, int s) {
    const __m256i low = load32(block->ql + s / 4 * 64 + s % 2 * 32);
    const __m256i high = load32(block->qh + s / 4 * 32);
    switch (s % 4) {
      case 0:
        return _mm256_or_si256(move_bits<0, 0, 4>(low), move_bits<0, 4, 2>(high));
      case 1:
        return _mm256_or_si256(move_bits<0, 0, 4>(low), move_bits<2, 4, 2>(high));
      case 2:
        return _mm256_or_si256(move_bits<4, 0, 4>(low), move_bits<4, 4, 2>(high));
      default:
        return _mm256_or_si256(move_bits<4, 0, 4>(low), move_bits<6, 4, 2>(high));
    }
  }
};

// Calls f with the struct of a quantised type.
template <typename F>
inline void with_blocks(WeightType type, F f) {
  switch (type) {
    case WeightType::q8_0:
      return f(Q8_0{});
    case WeightType::q4_0:
      return f(Q4_0{});
    case WeightType::q4_1:
      return f(Q4_1{});
    case WeightType::q5_0:
      return f(Q5_0{});
    case WeightType::q5_1:
      return f(Q5_1{});
    case WeightType::q4_k:
      return f(Q4_K{});
    case WeightType::q5_k:
      return f(Q5_K{});
    case WeightType::q6_k:
      return f(Q6_K{});
    case WeightType::f32:
    case WeightType::f16:
    case WeightType::bf16:
      break;
  }
}

// The float types: 8 weights as f32.
struct F32 {
  using Block = float;
  static __m256 load(const Block* p) { return _mm256_loadu_ps(p); }
  static float one(Block x) { return x; }
};
struct F16 {
  using Block = f16;
  static __m256 load(const Block* p) { return _mm256_cvtph_ps(load16(p)); }
  static float one(Block x) { return half(x); }
};
struct BF16 {
  using Block = bf16;
  static __m256 load(const Block* p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(p)), 16));
  }
  static float one(Block x) {
    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(x.bits << 16)));
  }
};

template <typename F>
inline void with_floats(WeightType type, F f) {
  if (type == WeightType::f32) return f(F32{});
  if (type == WeightType::f16) return f(F16{});
  return f(BF16{});
}

inline float sum_of(__m256 v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// A panel of codes: codes [units][8][16 rows][4], scale and min [groups][16 rows].
struct CodePanel {
  std::uint8_t* codes;
  float* scale;
  float* min;
};

// Where a tile puts its outputs: the first `rows` of 16, of the first `tokens`.
struct TileOutput {
  float* y;  // [tokens, stride]
  Index stride;
  const float* bias;  // of these rows, or null
  Index rows, tokens;
};

// One tile of int8 activations, in the order of ActivationState.
struct QuantizedTile {
  const std::int8_t* q;
  const float *scale, *sum;
  const std::int32_t *minus_sum, *minus_half_sum;
  QuantizedTile(const ActivationState& x, Index tile) {
    const Index blocks = tile * x.tile * x.block_stride;
    q = x.q + tile * x.tile * x.cols;
    scale = x.scale + blocks;
    sum = x.sum + blocks;
    minus_sum = x.minus_sum + blocks;
    minus_half_sum = x.minus_half_sum + 2 * blocks;
  }
};
