// What the packed kernels of both vector instruction sets share, written for inclusion inside
// their anonymous namespace: shared inline functions must not be compiled for one of them.
// To be included after attention_tables.h.

// Where things are in a tile, as kernels/packed_tile.h says.
template <Packing kPacking>
struct Codes {
  static constexpr bool kFloat = kPacking == Packing::e4m3;
  static constexpr int kBits = kPacking == Packing::int4 ? 4 : kPacking == Packing::int2 ? 2 : 8;
  static constexpr int kGroup = 32 / kBits, kPairs = kGroup / 2;
  // Codes of 4 and 2 bits meet queries of 8 bits: four dimensions a step. What that rounds off is a
  // tenth of what the keys have lost; keys of 8 bits would lose by it.
  static constexpr bool kByteQueries = kBits < 8;
  static constexpr int kParts = 8 / kBits;  // of a word: bytes of four codes each
  static Index groups(Index head_dim) { return (head_dim + kGroup - 1) / kGroup; }
  static Index values(Index head_dim) { return groups(head_dim) * 64; }
  static Index key_scales(Index head_dim) { return values(head_dim) + 16 / kGroup * head_dim * 4; }
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

template <typename C>
void pack_integers(const float* queries, Index rows, Index head_dim, float* packed) {
  const float most_code = most_factor<C>(head_dim);
  for (Index r = 0; r < rows; ++r, queries += head_dim, packed += query_stride(head_dim)) {
    float most = 0;
    for (Index d = 0; d < head_dim; ++d) {
      const float x = queries[d] < 0 ? -queries[d] : queries[d];
      most = x > most ? x : most;
    }
    const float inverse = most > 0 ? most_code / most : 0;
    auto* to = reinterpret_cast<std::int16_t*>(packed + kQueryHeader);
    std::int32_t sum = 0;
    for (Index g = 0; g < C::groups(head_dim); ++g)
      for (Index i = 0; i < C::kGroup; ++i, ++to) {
        const Index d = g * C::kGroup + i / 2 + i % 2 * C::kPairs;
        const float x = d < head_dim ? queries[d] * inverse : 0;
        const auto code = static_cast<std::int32_t>(x + (x < 0 ? -0.5f : 0.5f));
        *to = static_cast<std::int16_t>(code);
        sum += code;
      }
    packed[0] = most / most_code;
    packed[1] = packed[0] * static_cast<float>(sum);
  }
}

// The same with 8 bits: words of four bytes, for part k of a word the dimensions kParts * b + k.
template <typename C>
void pack_bytes(const float* queries, Index rows, Index head_dim, float* packed) {
  for (Index r = 0; r < rows; ++r, queries += head_dim, packed += query_stride(head_dim)) {
    float most = 0;
    for (Index d = 0; d < head_dim; ++d) {
      const float x = queries[d] < 0 ? -queries[d] : queries[d];
      most = x > most ? x : most;
    }
    const float inverse = most > 0 ? 127 / most : 0;
    auto* to = reinterpret_cast<std::int8_t*>(packed + kQueryHeader);
    std::int32_t sum = 0;
    for (Index g = 0; g < C::groups(head_dim); ++g)
      for (Index i = 0; i < C::kGroup; ++i, ++to) {
        const Index d = g * C::kGroup + i % 4 * C::kParts + i / 4;
        const float x = d < head_dim ? queries[d] * inverse : 0;
        const auto code = static_cast<std::int32_t>(x + (x < 0 ? -0.5f : 0.5f));
        *to = static_cast<std::int8_t>(code);
        sum += code;
      }
    packed[0] = most / 127;
    packed[1] = packed[0] * static_cast<float>(sum);
  }
}
