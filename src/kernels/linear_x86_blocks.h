// The quantised types as vectors: every type is read as unsigned codes, 32 at a time, with
//   weight = scale * code + min,  or, without minima,  weight = scale * (code - kZero),
// one scale for kGroup weights. Included by linear_avx2.cpp, linear_avx512.cpp and their transposed
// twins inside their anonymous namespaces; it is not a header for anyone else.

// Adds 16 to the codes in whose byte the given bit is set.
inline __m256i add_16_where(__m256i codes, __m256i bytes, __m256i bit) {
#ifdef __AVX512BW__
  return _mm256_mask_add_epi8(codes, _mm256_test_epi8_mask(bytes, bit), codes,
                              _mm256_set1_epi8(16));
#else
  const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
  return _mm256_or_si256(codes, _mm256_and_si256(set, _mm256_set1_epi8(16)));
#endif
}

inline __m256i load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline __m128i load16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline std::int32_t load4(const void* p) {
  std::int32_t dword;
  __builtin_memcpy(&dword, p, sizeof dword);
  return dword;
}
inline float half(f16 x) { return _cvtsh_ss(x.bits); }
inline __m256i low_bits(__m256i x, char mask) {
  return _mm256_and_si256(x, _mm256_set1_epi8(mask));
}

// The first halves and the last halves of two blocks of 32 codes.
struct PairCodes {
  __m256i first, last;
};

// Adds 16 to the codes whose bit is set: the bits of 8 codes come from one byte of `bits`, that of
// the given number in the same dword.
inline __m256i with_fifth_bits(__m256i codes, __m256i bits, int b0, int b1, int b2, int b3) {
  const auto eight = [](int byte) { return byte * 0x0101010101010101; };
  const __m256i bytes =
      _mm256_shuffle_epi8(bits, _mm256_setr_epi64x(eight(b0), eight(b1), eight(b2), eight(b3)));
  return add_16_where(codes, bytes,
                      _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201u)));
}

// The scales of eight consecutive groups, and their minima, where the type has any.
struct EightScales {
  __m256 scale, min;
};

// What the types of one block of 32 share. `codes(block, s)` are those of the s-th 32 weights.
template <typename B, int most, int zero>
struct Block32 {
  using Block = B;
  static constexpr Index kUnits = 1;   // times 32 weights in a block
  static constexpr Index kGroup = 32;  // weights to a scale
  static constexpr int kMost = most;   // the largest code
  static constexpr int kZero = zero;   // the code of 0, where there are no minima
  static constexpr bool kHasMin = zero == 0;
  static constexpr bool kPairs =
      most < 32;  // whether codes are cheaper to get for two blocks at once

  // The scales (and minima) of eight blocks: one load for each, so placed that its d (and m) come
  // to lie in their lane, and a blend.
  static EightScales scales(const Block* block, int) {
    const auto* p = reinterpret_cast<const std::byte*>(block);
    constexpr Index kStep = Index{sizeof(Block)} - (kHasMin ? 4 : 2);
    if constexpr (kHasMin) {
      __m256i v = load32(p);
      v = _mm256_blend_epi32(v, load32(p + 1 * kStep), 1 << 1);
      v = _mm256_blend_epi32(v, load32(p + 2 * kStep), 1 << 2);
      v = _mm256_blend_epi32(v, load32(p + 3 * kStep), 1 << 3);
      v = _mm256_blend_epi32(v, load32(p + 4 * kStep), 1 << 4);
      v = _mm256_blend_epi32(v, load32(p + 5 * kStep), 1 << 5);
      v = _mm256_blend_epi32(v, load32(p + 6 * kStep), 1 << 6);
      v = _mm256_blend_epi32(v, load32(p + 7 * kStep), 1 << 7);
      const __m256i low = _mm256_and_si256(v, _mm256_set1_epi32(0xffff));
      const __m256i packed = _mm256_permute4x64_epi64(
          _mm256_packus_epi32(low, _mm256_srli_epi32(v, 16)), _MM_SHUFFLE(3, 1, 2, 0));
      return {_mm256_cvtph_ps(_mm256_castsi256_si128(packed)),
              _mm256_cvtph_ps(_mm256_extracti128_si256(packed, 1))};
    } else {
      __m128i v = load16(p);
      v = _mm_blend_epi16(v, load16(p + 1 * kStep), 1 << 1);
      v = _mm_blend_epi16(v, load16(p + 2 * kStep), 1 << 2);
      v = _mm_blend_epi16(v, load16(p + 3 * kStep), 1 << 3);
      v = _mm_blend_epi16(v, load16(p + 4 * kStep), 1 << 4);
      v = _mm_blend_epi16(v, load16(p + 5 * kStep), 1 << 5);
      v = _mm_blend_epi16(v, load16(p + 6 * kStep), 1 << 6);
      v = _mm_blend_epi16(v, load16(p + 7 * kStep), 1 << 7);
      const __m256 scale = _mm256_cvtph_ps(v);
      return {scale, scale};
    }
  }

  // The same of the last 0 < count < 8 blocks of a row, of which `before` precede them.
  static EightScales last_scales(const Block* block, Index before, Index count) {
    if (before + count >= 8) {
      const EightScales all = scales(block + count - 8, 0);
      const __m256i from = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                            _mm256_set1_epi32(static_cast<int>(8 - count)));
      const __m256 mask = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(8), from));
      return {_mm256_and_ps(mask, _mm256_permutevar8x32_ps(all.scale, from)),
              _mm256_and_ps(mask, _mm256_permutevar8x32_ps(all.min, from))};
    }
    alignas(32) float scale[8] = {}, min[8] = {};
    for (Index i = 0; i < count; ++i) {
      scale[i] = half(block[i].d);
      if constexpr (kHasMin) min[i] = half(block[i].m);
    }
    return {_mm256_load_ps(scale), _mm256_load_ps(kHasMin ? min : scale)};
  }

  static __m256i codes(const Block* block, int) {
    const __m128i x = load16(block->qs);
    const __m256i low = low_bits(_mm256_set_m128i(_mm_srli_epi16(x, 4), x), 15);
    if constexpr (most <= 15)
      return low;
    else
      return with_fifth_bits(low, _mm256_set1_epi32(load4(block->qh)), 0, 1, 2, 3);
  }

  static PairCodes pair_codes(const Block* a, const Block* b) {
    const __m256i x = _mm256_set_m128i(load16(b->qs), load16(a->qs));
    const __m256i first = low_bits(x, 15), last = low_bits(_mm256_srli_epi16(x, 4), 15);
    if constexpr (most <= 15) {
      return {first, last};
    } else {
      const __m256i bits = _mm256_blend_epi32(_mm256_set1_epi32(load4(a->qh)),
                                              _mm256_set1_epi32(load4(b->qh)), 0xf0);
      return {with_fifth_bits(first, bits, 0, 1, 0, 1), with_fifth_bits(last, bits, 2, 3, 2, 3)};
    }
  }
};

using Q4_0 = Block32<BlockQ4_0, 15, 8>;
using Q4_1 = Block32<BlockQ4_1, 15, 0>;
using Q5_0 = Block32<BlockQ5_0, 31, 16>;
using Q5_1 = Block32<BlockQ5_1, 31, 0>;
struct Q8_0 : Block32<BlockQ8_0, 255, 128> {
  static __m256i codes(const Block* block, int) {
    return _mm256_xor_si256(load32(block->qs), _mm256_set1_epi8(-128));
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
  static constexpr bool kHasMin = true, kPairs = false;

  static EightScales scales(const Block* block, int) {
    const __m128i low_order = _mm_setr_epi8(0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 8, 9, 10, 11);
    const __m128i high_order =
        _mm_setr_epi8(-1, -1, -1, -1, 0, 1, 2, 3, -1, -1, -1, -1, 4, 5, 6, 7);
    const __m128i low_mask = _mm_setr_epi32(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f);
    const __m128i packed = load16(block->scales);  // 4 bytes more than needed, of the same block
    const __m128i low = _mm_and_si128(
        _mm_srlv_epi32(_mm_shuffle_epi8(packed, low_order), _mm_setr_epi32(0, 0, 0, 4)), low_mask);
    const __m128i high =
        _mm_and_si128(_mm_srli_epi16(_mm_shuffle_epi8(packed, high_order), 2), _mm_set1_epi8(0x30));
    const __m128i both = _mm_or_si128(low, high);
    const __m256 s = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(both));
    const __m256 m = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(both, 8)));
    const __m128 d = _mm_cvtph_ps(_mm_cvtsi32_si128(load4(block)));  // d, dmin
    const __m256 minus_dmin =
        _mm256_broadcastss_ps(_mm_sub_ps(_mm_setzero_ps(), _mm_movehdup_ps(d)));
    return {_mm256_mul_ps(s, _mm256_broadcastss_ps(d)), _mm256_mul_ps(m, minus_dmin)};
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
  static constexpr bool kHasMin = false, kPairs = false;

  static EightScales scales(const Block* block, int part) {
    const auto* from = reinterpret_cast<const __m128i*>(block->scales + 8 * part);
    const __m256 scale = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from)));
    const __m256 scaled = _mm256_mul_ps(scale, _mm256_set1_ps(half(block->d)));
    return {scaled, scaled};
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
