// Products row by row for few tokens, straight from the blocks of the file: each row is unpacked
// once for up to kRowTokens tokens. Included by linear_avx2.cpp and linear_avx512.cpp inside their
// anonymous namespaces, after linear_x86_blocks.h and their `Lanes` and `dot_codes`; not a header
// for others.

constexpr Index kRowTokens = 4;
constexpr Index kChunk =
    2048;  // weights whose scales are decoded at once, into an array on the stack

// The token's block scales, as one factor for each group of 8 groups from g.
template <typename Type>
inline __m256 block_scales(const float* scale, Index g) {
  if constexpr (Type::kGroup == 32) return _mm256_loadu_ps(scale + g);
  return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(scale + g / 2)),
                                  _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}

// Eight lanes of factors for one unit of 32 codes: one factor, or one for each half.
template <typename Type>
inline __m256 unit_factor(const float* factors, Index unit) {
  if constexpr (Type::kGroup == 32) return _mm256_broadcast_ss(factors + unit);
  return _mm256_set_m128(_mm_broadcast_ss(factors + 2 * unit + 1),
                         _mm_broadcast_ss(factors + 2 * unit));
}

// Calls step(block, s, unit, parity) for each 32 codes of the blocks that hold `units` of them.
template <typename Type, typename Step>
inline void for_units(const typename Type::Block* block, Index units, Step step) {
  if constexpr (Type::kUnits == 1) {
    Index u = 0;
    for (; u + 1 < units; u += 2) {
      step(block + u, 0, u, 0);
      step(block + u + 1, 0, u + 1, 1);
    }
    if (u < units) step(block + u, 0, u, 0);
  } else {
    for (Index u = 0; u < units; u += Type::kUnits, ++block) {
#pragma GCC unroll 8
      for (int s = 0; s < static_cast<int>(Type::kUnits); ++s) step(block, s, u + s, s % 2);
    }
  }
}

template <typename Type, int kTokens>
inline void row_fast(const std::byte* row, const ActivationState& x, Index token, float* out) {
  constexpr Index kGroups = kChunk / Type::kGroup;
  const auto* blocks = reinterpret_cast<const typename Type::Block*>(row);
  const std::int8_t* q = x.q + token * x.cols;
  const float* token_scale = x.scale + token * x.block_stride;
  constexpr Index kSumsPerBlock = 32 / Type::kGroup;
  const float* token_sum =
      (Type::kGroup == 32 ? x.sum : x.half_sum) + token * x.block_stride * kSumsPerBlock;
  __m256 sums[kTokens][2], minima[kTokens];
  for (int t = 0; t < kTokens; ++t) sums[t][0] = sums[t][1] = minima[t] = _mm256_setzero_ps();
  for (Index k = 0; k < x.cols; k += kChunk) {
    const Index width = x.cols - k < kChunk ? x.cols - k : kChunk, groups = width / Type::kGroup;
    const auto* block = blocks + k / (32 * Type::kUnits);
    alignas(32) float scale[kGroups + 8], min[kGroups + 8], factors[kTokens][kGroups + 8];
    Type::scales(block, groups, scale, min);
    _mm256_storeu_ps(scale + groups, _mm256_setzero_ps());
    if constexpr (Type::kHasMin) _mm256_storeu_ps(min + groups, _mm256_setzero_ps());
    for (Index g = 0; g < groups; g += 8) {
      const __m256 s = _mm256_load_ps(scale + g);
      const __m256 m = Type::kHasMin ? _mm256_load_ps(min + g) : s;
      for (int t = 0; t < kTokens; ++t) {
        const float* scale_t = token_scale + t * x.block_stride + k / 32;
        const float* sum_t = token_sum + t * x.block_stride * kSumsPerBlock + k / Type::kGroup;
        _mm256_store_ps(factors[t] + g, _mm256_mul_ps(s, block_scales<Type>(scale_t, g)));
        if constexpr (!kSignedDot<Type>)
          minima[t] = _mm256_fmadd_ps(m, _mm256_loadu_ps(sum_t + g), minima[t]);
      }
    }
    for_units<Type>(block, width / 32, [&](const auto* b, int s, Index unit, int parity) {
      const __m256i codes = Type::codes(b, s);
      for (int t = 0; t < kTokens; ++t) {
        const __m256i dot = dot_codes<Type>(codes, load32(q + t * x.cols + k + 32 * unit));
        sums[t][parity] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                                          unit_factor<Type>(factors[t], unit), sums[t][parity]);
      }
    });
  }
  for (int t = 0; t < kTokens; ++t) {
    const float products = sum_of(_mm256_add_ps(sums[t][0], sums[t][1]));
    if constexpr (kSignedDot<Type>)
      out[t] = products;
    else
      out[t] = products + sum_of(minima[t]) * (Type::kHasMin ? 1 : -Type::kZero);
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
inline void row_exact(const std::byte* row, const ActivationState& x, Index token, float* out) {
  using Reg = Lanes::Reg;
  constexpr Index kGroups = kChunk / Type::kGroup;
  constexpr int kParts = 32 / Lanes::kWidth, kPartsPerGroup = Type::kGroup / Lanes::kWidth;
  const auto* blocks = reinterpret_cast<const typename Type::Block*>(row);
  Reg sums[kTokens][2];
  __m256 minima[kTokens];
  for (int t = 0; t < kTokens; ++t) {
    sums[t][0] = sums[t][1] = Lanes::zero();
    minima[t] = _mm256_setzero_ps();
  }
  for (Index k = 0; k < x.cols; k += kChunk) {
    const Index width = x.cols - k < kChunk ? x.cols - k : kChunk, groups = width / Type::kGroup;
    const auto* block = blocks + k / (32 * Type::kUnits);
    alignas(32) float scale[kGroups + 8], min[kGroups + 8];
    Type::scales(block, groups, scale, min);
    if constexpr (Type::kHasMin) {
      _mm256_storeu_ps(min + groups, _mm256_setzero_ps());
      for (Index g = 0; g < groups; g += 8)
        for (int t = 0; t < kTokens; ++t) {
          const float* sum_t = x.sum + (token + t) * x.block_stride + k / 32;
          minima[t] =
              _mm256_fmadd_ps(_mm256_load_ps(min + g), _mm256_loadu_ps(sum_t + g), minima[t]);
        }
    }
    for_units<Type>(block, width / 32, [&](const auto* b, int s, Index unit, int parity) {
      const __m256i codes = centred<Type>(Type::codes(b, s));
      Reg weights[kParts];
#pragma GCC unroll 4
      for (int i = 0; i < kParts; ++i)
        weights[i] = Type::kHasMin ? Lanes::from_u8(codes, i) : Lanes::from_s8(codes, i);
      for (int t = 0; t < kTokens; ++t) {
        const float* xs = x.x + (token + t) * x.x_stride + k + 32 * unit;
#pragma GCC unroll 2
        for (int first = 0; first < kParts; first += kPartsPerGroup) {
          Reg dot = Lanes::mul(weights[first], Lanes::load(xs + first * Lanes::kWidth));
#pragma GCC unroll 4
          for (int i = first + 1; i < first + kPartsPerGroup; ++i)
            dot = Lanes::fma(weights[i], Lanes::load(xs + i * Lanes::kWidth), dot);
          const float* factor = scale + unit * (32 / Type::kGroup) + first / kPartsPerGroup;
          sums[t][parity] = Lanes::fma(dot, Lanes::all(*factor), sums[t][parity]);
        }
      }
    });
  }
  for (int t = 0; t < kTokens; ++t)
    out[t] =
        Lanes::sum(Lanes::add(sums[t][0], sums[t][1])) + (Type::kHasMin ? sum_of(minima[t]) : 0);
}

template <typename Type, int kTokens>
inline void row_floats(const std::byte* row, const ActivationState& x, Index token, float* out) {
  const auto* w = reinterpret_cast<const typename Type::Block*>(row);
  const float* xs = x.x + token * x.x_stride;
  __m256 sums[kTokens][4];
  for (auto& token_sums : sums)
    for (auto& sum : token_sums) sum = _mm256_setzero_ps();
  Index k = 0;
  for (; k + 32 <= x.cols; k += 32)
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m256 weights = Type::load(w + k + 8 * i);
      for (int t = 0; t < kTokens; ++t)
        sums[t][i] =
            _mm256_fmadd_ps(weights, _mm256_loadu_ps(xs + t * x.x_stride + k + 8 * i), sums[t][i]);
    }
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
