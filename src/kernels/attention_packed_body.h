// What the packed kernels of both vector instruction sets share, written for inclusion inside
// their anonymous namespace: shared inline functions must not be compiled for one of them.
// To be included after attention_tables.h.

// Where things are in a tile, as kernels/packed_tile.h says.
template <Packing kPacking>
struct Codes {
  static constexpr bool kFloat = kPacking == Packing::e4m3;
  static constexpr int kBits = kPacking == Packing::int4   ? 4
                               : kPacking == Packing::int3 ? 3
                               : kPacking == Packing::int2 ? 2
                                                           : 8;
  static constexpr bool kSplit = kBits == 3;           // high bits lie apart
  static constexpr int kLowBits = kSplit ? 2 : kBits;  // in a word
  static constexpr int kGroup = 32 / kLowBits, kPairs = kGroup / 2;
  // Codes of 4 bits and fewer meet queries of 8 bits: four dimensions a step. What that rounds off
  // is a tenth of what the keys have lost; keys of 8 bits would lose by it.
  static constexpr bool kByteQueries = kBits < 8;
  static constexpr int kParts = 8 / kLowBits;  // of a word: bytes of four codes each
  static Index groups(Index head_dim) { return (head_dim + kGroup - 1) / kGroup; }
  static Index high_keys(Index head_dim) { return groups(head_dim) * 64; }
  static Index values(Index head_dim) {
    return high_keys(head_dim) + (kSplit ? (head_dim + 31) / 32 * 64 : 0);
  }
  static Index high_values(Index head_dim) { return values(head_dim) + 16 / kGroup * head_dim * 4; }
  static Index key_scales(Index head_dim) {
    return high_values(head_dim) + (kSplit ? head_dim * 2 : 0);
  }
  static Index value_scales(Index head_dim) { return key_scales(head_dim) + 64; }
  static Index bytes(Index head_dim) { return key_scales(head_dim) + 128; }
};

// Calls f.template operator()<k>() for k < N.
template <int N, int k = 0, typename F>
void unrolled(const F& f) {
  if constexpr (k < N) {
    f.template operator()<k>();
    unrolled<N, k + 1>(f);
  }
}

// How many tiles ahead qk asks the memory for (attention_prefetch.h): 7 KiB served best.
template <typename C>
Index ahead_tiles(Index head_dim) {
  const Index fit = (7 << 10) / C::bytes(head_dim);
  return fit < 2 ? 2 : fit > 4 ? 4 : fit;
}

// The largest 16-bit factor with which sums of `terms` codes stay below 2^31.
template <typename C>
float most_factor(Index terms) {
  const Index most = ((Index{1} << 31) - 1) / (((1 << C::kBits) - 1) * terms);
  return static_cast<float>(most < 32767 ? most : 32767);
}

// A packed query of integer codes: scale, sum of what the numbers stand for, then pairs of 16-bit
// numbers in the order of the codes' pairs.
constexpr Index kQueryHeader = 2;
Index query_stride(Index head_dim) { return (head_dim + 15) / 16 * 16 + kQueryHeader; }

// The largest magnitude of n numbers, a multiple of 16.
inline float most_of(const float* x, Index n) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 most = _mm256_setzero_ps();
  for (Index i = 0; i < n; i += 8)
    most = _mm256_max_ps(most, _mm256_andnot_ps(sign, _mm256_loadu_ps(x + i)));
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

// 16 numbers times a factor, rounded to 16-bit integers.
inline __m256i sixteen_integers(const float* x, __m256 factor) {
  const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), factor));
  const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), factor));
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
}

inline std::int32_t sum_of_integers(__m256i x) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

// Packs rows of queries against their largest magnitude: `put(to, numbers)` stores 16 of them in
// the order of the codes and returns what comes after.
template <typename To, typename Put>
void pack_rows(const float* queries, Index rows, Index head_dim, float most_code, float* packed,
               const Put& put) {
  for (Index r = 0; r < rows; ++r, queries += head_dim, packed += query_stride(head_dim)) {
    const float most = most_of(queries, head_dim);
    const __m256 factor = _mm256_set1_ps(most > 0 ? most_code / most : 0);
    auto* to = reinterpret_cast<To*>(packed + kQueryHeader);
    __m256i sum = _mm256_setzero_si256();
    for (Index d = 0; d < head_dim; d += 16, to += 16) {
      const __m256i numbers = sixteen_integers(queries + d, factor);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(numbers, _mm256_set1_epi16(1)));
      put(to, numbers);
    }
    packed[0] = most / most_code;
    packed[1] = packed[0] * static_cast<float>(sum_of_integers(sum));
  }
}

// 16-bit numbers, dimensions (0 2 1 3) of every four: those of 8-bit codes.
inline void pack_integers(const float* queries, Index rows, Index head_dim, float most_code,
                          float* packed) {
  const __m256i order = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
  pack_rows<std::int16_t>(
      queries, rows, head_dim, most_code, packed, [&](std::int16_t* to, __m256i numbers) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_shuffle_epi8(numbers, order));
      });
}

// 8-bit numbers, in words of four: for part k of a word of codes the dimensions kParts * b + k.
template <typename C>
void pack_bytes(const float* queries, Index rows, Index head_dim, float* packed) {
  const __m128i order = C::kParts == 2
                            ? _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15)
                            : _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  pack_rows<std::int8_t>(
      queries, rows, head_dim, 127, packed, [&](std::int8_t* to, __m256i numbers) {
        const __m128i bytes =
            _mm_packs_epi16(_mm256_castsi256_si128(numbers), _mm256_extracti128_si256(numbers, 1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi8(bytes, order));
      });
}
