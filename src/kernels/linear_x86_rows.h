// Products row by row for few tokens, straight from the blocks of the file: each row is unpacked
// once for up to kRowTokens tokens. Included by linear_avx2.cpp and linear_avx512.cpp inside their
// anonymous namespaces, after linear_x86_blocks.h and their `Lanes` and `dot_codes`; not a header
// for others.

constexpr Index kRowTokens = 4;

// How far before its use a line is asked for. Two cores that each walk through rows of weights get
// two thirds of what the memory gives by the hardware's prefetching alone, nearly all of it with
// this (measured on Zen 5: 1.45 times the tokens per second; 1 to 2 KiB gain less, 8 KiB nothing
// more).
constexpr Index kAheadBytes = 4096;

// Asks for the lines of `bytes` that lie kAheadBytes after p, rows being one stretch of memory.
// Behind the last row that touches nothing: a prefetch does not fault.
template <Index bytes>
inline void prefetch_ahead(const void* p) {
  const char* from = static_cast<const char*>(p) + kAheadBytes;
#pragma GCC unroll 8
  for (Index i = 0; i < bytes; i += 64) _mm_prefetch(from + i, _MM_HINT_T0);
}

// Calls batch(block, part, group, scales) for every eight groups of a row, `part` counting those of
// one block; then rest(block, group, count, scales) for what is left, which only types of one block
// of 32 have.
template <typename Type, typename Batch, typename Rest>
inline void for_batches(const std::byte* row, Index groups, Batch batch, Rest rest) {
  const auto* block = reinterpret_cast<const typename Type::Block*>(row);
  Index g = 0;
  if constexpr (Type::kUnits == 8) {
    for (; g < groups; ++block) {
      prefetch_ahead<Index{sizeof(typename Type::Block)}>(block);
#pragma GCC unroll 2
      for (int part = 0; part < static_cast<int>(32 / Type::kGroup); ++part, g += 8)
        batch(block, part, g, Type::scales(block, part));
    }
  } else {
    for (; g + 8 <= groups; g += 8) {
      prefetch_ahead<8 * Index{sizeof(typename Type::Block)}>(block + g);
      batch(block + g, 0, g, Type::scales(block + g, 0));
    }
    if (g < groups) rest(block + g, g, groups - g, Type::last_scales(block + g, g, groups - g));
  }
}

// The token's scales of the blocks that eight groups from g lie in.
template <typename Type>
inline __m256 block_scales(const float* scale, Index g) {
  if constexpr (Type::kGroup == 32) return _mm256_loadu_ps(scale + g);
  return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(scale + g / 2)),
                                  _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}

// The factors of 8 dword sums: one for all, or one for each half.
template <bool halves>
inline __m256 lane_factors(const float* factors, Index unit) {
  if constexpr (!halves) return _mm256_broadcast_ss(factors + unit);
  const auto* both = reinterpret_cast<const double*>(factors + 2 * unit);
  return _mm256_permutevar_ps(_mm256_castpd_ps(_mm256_broadcast_sd(both)),
                              _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
}

// One row times kTokens tokens. A unit is 32 weights, or a pair of blocks that meets activations in
// the order of q_pairs.
template <typename Type, int kTokens>
struct FastRow {
  using Block = typename Type::Block;
  using Sums = __m256[kTokens];  // kept apart, or they would live in memory
  static constexpr Index kUnitBytes = Type::kPairs ? 64 : 32;

  const std::int8_t* q;
  const float *scale, *sum;
  Index q_stride, scale_stride, sum_stride;
  alignas(32) float factors[kTokens][8];

  FastRow(const ActivationState& x, Index token) {
    q_stride = Type::kPairs ? x.block_stride * 32 : x.cols;
    scale_stride = x.block_stride;
    sum_stride = x.block_stride * (32 / Type::kGroup);
    q = (Type::kPairs ? x.q_pairs : x.q) + token * q_stride;
    scale = x.scale + token * scale_stride;
    sum = (Type::kGroup == 32 ? x.sum : x.half_sum) + token * sum_stride;
  }

  void set_scales(Index group, const EightScales& eight, Sums& minima) {
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; ++t) {
      const __m256 blocks = block_scales<Type>(scale + t * scale_stride, group);
      _mm256_store_ps(factors[t], _mm256_mul_ps(eight.scale, blocks));
      if constexpr (!kSignedDot<Type>)
        minima[t] =
            _mm256_fmadd_ps(eight.min, _mm256_loadu_ps(sum + t * sum_stride + group), minima[t]);
    }
  }

  // Adds kCount units from `block`, of which the first is unit s of its block, unit `at` of the
  // factors, and has its activations at q + offset. Their terms are added to each other before they
  // are added to the sums, or these would be a chain of dependent additions. A lone block makes a
  // pair with itself; its other half meets zeros.
  template <int kCount, bool kLone = false>
  void add(const Block* block, int s, int at, Index offset, Sums& sums) {
    __m256 terms[kTokens];
#pragma GCC unroll 4
    for (int i = 0; i < kCount; ++i) {
      __m256i dots[kTokens];
      const std::int8_t* x = q + offset + kUnitBytes * i;
      if constexpr (Type::kPairs) {
        const PairCodes codes = Type::pair_codes(block + 2 * i, block + 2 * i + (kLone ? 0 : 1));
#pragma GCC unroll 4
        for (int t = 0; t < kTokens; ++t)
          dots[t] = dot_pairs<Type>(codes, load32(x + t * q_stride), load32(x + t * q_stride + 32));
      } else {
        const __m256i codes =
            Type::kUnits == 1 ? Type::codes(block + i, 0) : Type::codes(block, s + i);
#pragma GCC unroll 4
        for (int t = 0; t < kTokens; ++t)
          dots[t] = dot_codes<Type>(codes, load32(x + t * q_stride));
      }
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; ++t) {
        const __m256 factor =
            lane_factors < Type::kPairs || Type::kGroup == 16 > (factors[t], at + i);
        const __m256 values = _mm256_cvtepi32_ps(dots[t]);
        terms[t] =
            i == 0 ? _mm256_mul_ps(values, factor) : _mm256_fmadd_ps(values, factor, terms[t]);
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; ++t) sums[t] = _mm256_add_ps(sums[t], terms[t]);
  }
};

template <typename Type, int kTokens>
inline void row_fast(const std::byte* row, const ActivationState& x, Index token, float* out) {
  FastRow<Type, kTokens> products(x, token);
  __m256 sums[kTokens], minima[kTokens];
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t) sums[t] = minima[t] = _mm256_setzero_ps();
  for_batches<Type>(
      row, x.cols / Type::kGroup,
      [&](const auto* block, int part, Index group, const EightScales& eight) {
        products.set_scales(group, eight, minima);
        products.template add<4>(block, 4 * part, 0, group * Type::kGroup, sums);
        if constexpr (!Type::kPairs && Type::kGroup == 32)
          products.template add<4>(block + (Type::kUnits == 1 ? 4 : 0), 4, 4, group * 32 + 128,
                                   sums);
      },
      [&](const auto* block, Index group, Index count, const EightScales& eight) {
        products.set_scales(group, eight, minima);
        constexpr int kStep = Type::kPairs ? 2 : 1;
        for (int i = 0; i < count; i += kStep) {
          const Index offset = (group + i) * 32;
          if (i + kStep <= count)
            products.template add<1>(block + i, 0, i / kStep, offset, sums);
          else
            products.template add<1, true>(block + i, 0, i / kStep, offset, sums);
        }
      });
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t) {
    out[t] = sum_of(sums[t]);
    if constexpr (!kSignedDot<Type>)
      out[t] += sum_of(minima[t]) * (Type::kHasMin ? 1 : -Type::kZero);
  }
}

// Codes as numbers around zero where the type has a zero point.
template <typename Type>
inline __m256i centred(__m256i codes) {
  if constexpr (Type::kMost == 255)
    return _mm256_xor_si256(codes, _mm256_set1_epi8(-128));
  else if constexpr (Type::kZero != 0)
    return _mm256_sub_epi8(codes, _mm256_set1_epi8(Type::kZero));
  return codes;
}

template <typename Type, int kTokens>
struct ExactRow {
  using Reg = Lanes::Reg;
  static constexpr int kParts = 32 / Lanes::kWidth, kPartsPerGroup = Type::kGroup / Lanes::kWidth;

  const float *x, *sum;
  Index x_stride, sum_stride;
  alignas(32) float scale[8];

  ExactRow(const ActivationState& state, Index token)
      : x(state.x + token * state.x_stride),
        sum(state.sum + token * state.block_stride),
        x_stride(state.x_stride),
        sum_stride(state.block_stride) {}

  void set_scales(Index group, const EightScales& eight, __m256 (&minima)[kTokens]) {
    _mm256_store_ps(scale, eight.scale);
    if constexpr (Type::kHasMin)
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; ++t)
        minima[t] =
            _mm256_fmadd_ps(eight.min, _mm256_loadu_ps(sum + t * sum_stride + group), minima[t]);
  }

  // Adds the s-th 32 weights of a block, whose first group is number `at` of the eight scales and
  // which meet the activations from column k on.
  void add(const typename Type::Block* block, int s, int at, Index k, Reg (&sums)[kTokens]) {
    const __m256i codes = centred<Type>(Type::codes(block, s));
    Reg weights[kParts];
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i)
      weights[i] = Type::kHasMin ? Lanes::from_u8(codes, i) : Lanes::from_s8(codes, i);
#pragma GCC unroll 4
    for (int t = 0; t < kTokens; ++t) {
      const float* xs = x + t * x_stride + k;
#pragma GCC unroll 2
      for (int first = 0; first < kParts; first += kPartsPerGroup) {
        Reg dot = Lanes::mul(weights[first], Lanes::load(xs + first * Lanes::kWidth));
#pragma GCC unroll 4
        for (int i = first + 1; i < first + kPartsPerGroup; ++i)
          dot = Lanes::fma(weights[i], Lanes::load(xs + i * Lanes::kWidth), dot);
        sums[t] = Lanes::fma(dot, Lanes::all(scale[at + first / kPartsPerGroup]), sums[t]);
      }
    }
  }
};

template <typename Type, int kTokens>
inline void row_exact(const std::byte* row, const ActivationState& x, Index token, float* out) {
  constexpr int kUnitsInBatch = 8 * Type::kGroup / 32, kGroupsInUnit = 32 / Type::kGroup;
  ExactRow<Type, kTokens> products(x, token);
  Lanes::Reg sums[kTokens];
  __m256 minima[kTokens];
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t) {
    sums[t] = Lanes::zero();
    minima[t] = _mm256_setzero_ps();
  }
  for_batches<Type>(
      row, x.cols / Type::kGroup,
      [&](const auto* block, int part, Index group, const EightScales& eight) {
        products.set_scales(group, eight, minima);
#pragma GCC unroll 8
        for (int u = 0; u < kUnitsInBatch; ++u)
          products.add(block + (Type::kUnits == 1 ? u : 0), part * kUnitsInBatch + u,
                       u * kGroupsInUnit, group * Type::kGroup + 32 * u, sums);
      },
      [&](const auto* block, Index group, Index count, const EightScales& eight) {
        products.set_scales(group, eight, minima);
        for (int u = 0; u < count; ++u) products.add(block + u, 0, u, (group + u) * 32, sums);
      });
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t)
    out[t] = Lanes::sum(sums[t]) + (Type::kHasMin ? sum_of(minima[t]) : 0);
}

template <typename Type, int kTokens>
inline void row_floats(const std::byte* row, const ActivationState& x, Index token, float* out) {
  const auto* w = reinterpret_cast<const typename Type::Block*>(row);
  const float* xs = x.x + token * x.x_stride;
  __m256 sums[kTokens][4];
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t)
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) sums[t][i] = _mm256_setzero_ps();
  Index k = 0;
  for (; k + 32 <= x.cols; k += 32)
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m256 weights = Type::load(w + k + 8 * i);
#pragma GCC unroll 4
      for (int t = 0; t < kTokens; ++t)
        sums[t][i] =
            _mm256_fmadd_ps(weights, _mm256_loadu_ps(xs + t * x.x_stride + k + 8 * i), sums[t][i]);
    }
#pragma GCC unroll 4
  for (int t = 0; t < kTokens; ++t) {
    float rest = 0;
    for (Index i = k; i < x.cols; ++i) rest += Type::one(w[i]) * xs[t * x.x_stride + i];
    out[t] = sum_of(_mm256_add_ps(_mm256_add_ps(sums[t][0], sums[t][1]),
                                  _mm256_add_ps(sums[t][2], sums[t][3]))) +
             rest;
  }
}

// The outputs of one row for a number of tokens from `token`, without the bias.
using RowKernel = void (*)(const std::byte* row, const ActivationState& x, Index token, float* out);

// `kernels[i]` serves i + 1 tokens.
inline void for_rows(const ActivationState& x, const RowRange& range,
                     const RowKernel (&kernels)[kRowTokens]) {
  const Product& p = *range.product;
  for (Index token = 0; token < x.tokens; token += kRowTokens) {
    const Index tokens = x.tokens - token < kRowTokens ? x.tokens - token : kRowTokens;
    for (Index n = range.first; n < range.first + range.count; ++n) {
      float out[kRowTokens];
      kernels[tokens - 1](p.weights.data + n * range.row_bytes, x, token, out);
      for (Index t = 0; t < tokens; ++t)
        p.y[(token + t) * p.stride + n] = p.bias ? out[t] + p.bias[n] : out[t];
    }
  }
}

void rows_fast(const ActivationState& x, const RowRange& range) {
  with_blocks(range.product->weights.type, [&](auto type) {
    using Type = decltype(type);
    for_rows(x, range,
             {row_fast<Type, 1>, row_fast<Type, 2>, row_fast<Type, 3>, row_fast<Type, 4>});
  });
}

void rows_exact(const ActivationState& x, const RowRange& range) {
  if (is_quantized(range.product->weights.type))
    with_blocks(range.product->weights.type, [&](auto type) {
      using T = decltype(type);
      for_rows(x, range, {row_exact<T, 1>, row_exact<T, 2>, row_exact<T, 3>, row_exact<T, 4>});
    });
  else
    with_floats(range.product->weights.type, [&](auto type) {
      using T = decltype(type);
      for_rows(x, range, {row_floats<T, 1>, row_floats<T, 2>, row_floats<T, 3>, row_floats<T, 4>});
    });
}
