// Products in panels of 16 rows for many tokens: weights are unpacked once into an order that
// multiply- add instructions like, and serve all tokens from the cache. Included by linear_avx2.cpp
// and linear_avx512.cpp inside their anonymous namespaces, after linear_x86_blocks.h and their tile
// kernels; not a header for others.

// Bytes of panels that are in use at a time: they must stay in the L2 cache.
constexpr Index kPanelBudget = 224 << 10;
constexpr Index kExactChunk = 768;  // weights of a row in an f32 panel; a multiple of 256

// Turns 8 rows of 8 dwords into 8 columns.
inline void transpose(__m256i (&r)[8]) {
  __m256i a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    a[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      b[i + 2 * j] = _mm256_unpacklo_epi64(a[i + j], a[i + j + 2]);
      b[i + 2 * j + 1] = _mm256_unpackhi_epi64(a[i + j], a[i + j + 2]);
    }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
    r[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
  }
}

// 16 rows of weights from one column on; short panels repeat their last row.
struct PanelSource {
  const std::byte* rows[kPanelRows];
  PanelSource(const RowRange& range, Index panel, Index byte_offset) {
    const Index last = range.first + range.count - 1;
    for (Index r = 0; r < kPanelRows; ++r) {
      const Index n = range.first + panel * kPanelRows + r;
      rows[r] = range.product->weights.data + (n < last ? n : last) * range.row_bytes + byte_offset;
    }
  }
};

template <typename Type>
inline void unpack_codes(const PanelSource& source, Index units, const CodePanel& out) {
  using Block = typename Type::Block;
  const Index groups = units * (32 / Type::kGroup);
  for (Index r = 0; r < kPanelRows; ++r) {
    const auto store = [&](Index group, Index count, const EightScales& eight) {
      alignas(32) float scale[8], min[8];
      _mm256_store_ps(scale, eight.scale);
      _mm256_store_ps(min, eight.min);
      for (Index i = 0; i < count; ++i) {
        out.scale[(group + i) * kPanelRows + r] = scale[i];
        if constexpr (Type::kHasMin) out.min[(group + i) * kPanelRows + r] = min[i];
      }
    };
    for_batches<Type>(
        source.rows[r], groups,
        [&](const auto*, int, Index group, const EightScales& eight) { store(group, 8, eight); },
        [&](const auto*, Index group, Index count, const EightScales& eight) {
          store(group, count, eight);
        });
  }
  for (Index u = 0; u < units; u += Type::kUnits)
#pragma GCC unroll 8
    for (int s = 0; s < static_cast<int>(Type::kUnits); ++s)
      for (int half_panel = 0; half_panel < 2; ++half_panel) {
        __m256i r[8];
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i)
          r[i] = Type::codes(
              reinterpret_cast<const Block*>(source.rows[8 * half_panel + i]) + u / Type::kUnits,
              s);
        transpose(r);
        auto* to = reinterpret_cast<__m256i*>(out.codes + (u + s) * 512 + 32 * half_panel);
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) _mm256_store_si256(to + 2 * i, r[i]);
      }
}

// Calls tile(token, count) for tiles of nearly equal size.
template <typename Tile>
inline void for_tiles(Index tokens, Index most, Tile tile) {
  const Index tiles = (tokens + most - 1) / most;
  for (Index i = 0, token = 0; i < tiles; ++i) {
    const Index count = (tokens - token + tiles - i - 1) / (tiles - i);
    tile(token, count);
    token += count;
  }
}

inline TileOutput tile_output(const RowRange& range, Index panel, Index token, Index tokens) {
  const Product& p = *range.product;
  const Index n = range.first + panel * kPanelRows, left = range.first + range.count - n;
  return {p.y + token * p.stride + n, p.stride, p.bias ? p.bias + n : nullptr,
          left < kPanelRows ? left : kPanelRows, tokens};
}

template <typename Type>
void panels_fast_of(const ActivationState& x, const RowRange& range) {
  const Index units = x.cols / 32, groups = x.cols / Type::kGroup;
  const Index scale_bytes = groups * kPanelRows * 4 * (Type::kHasMin ? 2 : 1);
  const Index panel_bytes = units * 512 + scale_bytes;
  const Index panels = (range.count + kPanelRows - 1) / kPanelRows;
  Index batch = kPanelBudget / panel_bytes;
  if (batch < 1) batch = 1;
  if (batch > panels) batch = panels;
  std::byte* scratch = thread_scratch(batch * panel_bytes);
  const FastTile kernel = kFastTiles<Type>[x.tile - 1];
  const auto panel_at = [&](Index i) {
    std::byte* p = scratch + i * panel_bytes;
    auto* scale = reinterpret_cast<float*>(p + units * 512);
    return CodePanel{reinterpret_cast<std::uint8_t*>(p), scale, scale + groups * kPanelRows};
  };
  for (Index first = 0; first < panels; first += batch) {
    const Index count = panels - first < batch ? panels - first : batch;
    for (Index i = 0; i < count; ++i)
      unpack_codes<Type>(PanelSource(range, first + i, 0), units, panel_at(i));
    for (Index tile = 0; tile < x.tiles; ++tile) {
      const QuantizedTile tokens(x, tile);
      const Index token = tile * x.tile, left = x.tokens - token;
      for (Index i = 0; i < count; ++i)
        kernel(panel_at(i), units, tokens,
               tile_output(range, first + i, token, left < x.tile ? left : x.tile));
    }
  }
}

void panels_fast(const ActivationState& x, const RowRange& range) {
  with_blocks(range.product->weights.type,
              [&](auto type) { panels_fast_of<decltype(type)>(x, range); });
}

// An f32 panel [width][16 rows], from codes: scale * code + min.
template <typename Type>
inline void widen_codes(const CodePanel& in, Index units, float* out) {
  for (Index u = 0; u < units; ++u)
    for (int i = 0; i < 8; ++i)
      for (int half_panel = 0; half_panel < 2; ++half_panel) {
        const Index group = u * (32 / Type::kGroup) + i / (Type::kGroup / 4);
        const Index at = group * kPanelRows + 8 * half_panel;
        const __m256 scale = _mm256_loadu_ps(in.scale + at);
        const __m256 min = Type::kHasMin ? _mm256_loadu_ps(in.min + at)
                                         : _mm256_mul_ps(scale, _mm256_set1_ps(-Type::kZero));
        __m256i codes = load32(in.codes + u * 512 + i * 64 + half_panel * 32);
        float* to = out + (u * 32 + i * 4) * kPanelRows + 8 * half_panel;
        for (int k = 0; k < 4; ++k) {
          const __m256 code = _mm256_cvtepi32_ps(_mm256_and_si256(codes, _mm256_set1_epi32(255)));
          _mm256_store_ps(to + k * kPanelRows, _mm256_fmadd_ps(code, scale, min));
          codes = _mm256_srli_epi32(codes, 8);
        }
      }
}

template <typename Type>
inline void unpack_floats(const PanelSource& source, Index width, float* out) {
  using Block = typename Type::Block;
  Index k = 0;
  for (; k + 8 <= width; k += 8)
    for (int half_panel = 0; half_panel < 2; ++half_panel) {
      __m256i r[8];
      for (int i = 0; i < 8; ++i)
        r[i] = _mm256_castps_si256(
            Type::load(reinterpret_cast<const Block*>(source.rows[8 * half_panel + i]) + k));
      transpose(r);
      for (int i = 0; i < 8; ++i)
        _mm256_store_si256(reinterpret_cast<__m256i*>(out + (k + i) * kPanelRows + 8 * half_panel),
                           r[i]);
    }
  for (; k < width; ++k)
    for (Index r = 0; r < kPanelRows; ++r)
      out[k * kPanelRows + r] = Type::one(reinterpret_cast<const Block*>(source.rows[r])[k]);
}

// `unpack(source, width, codes, out)` writes an f32 panel of `width` columns.
template <typename Unpack>
inline void panels_exact_by(const ActivationState& x, const RowRange& range, Index block,
                            Index block_bytes, Unpack unpack) {
  constexpr Index kPanelFloats = kExactChunk * kPanelRows;
  const Index panels = (range.count + kPanelRows - 1) / kPanelRows;
  Index batch = kPanelBudget / (kPanelFloats * 4);
  if (batch > panels) batch = panels;
  // One panel of codes with its scales, at most one for 16 weights, then the f32 panels.
  constexpr Index kCodeBytes = kExactChunk * kPanelRows, kScales = kExactChunk / 16 * kPanelRows;
  std::byte* scratch = thread_scratch(kCodeBytes + kScales * 8 + batch * kPanelFloats * 4);
  auto* scale = reinterpret_cast<float*>(scratch + kCodeBytes);
  const CodePanel codes = {reinterpret_cast<std::uint8_t*>(scratch), scale, scale + kScales};
  float* floats = scale + 2 * kScales;
  for (Index first = 0; first < panels; first += batch) {
    const Index count = panels - first < batch ? panels - first : batch;
    for (Index k = 0; k < x.cols; k += kExactChunk) {
      const Index width = x.cols - k < kExactChunk ? x.cols - k : kExactChunk;
      for (Index i = 0; i < count; ++i)
        unpack(PanelSource(range, first + i, k / block * block_bytes), width, codes,
               floats + i * kPanelFloats);
      for_tiles(x.tokens, kExactTile, [&](Index token, Index tokens) {
        for (Index i = 0; i < count; ++i)
          kExactTiles[tokens - 1](floats + i * kPanelFloats, width, x.x + token * x.x_stride + k,
                                  x.x_stride, k > 0, tile_output(range, first + i, token, tokens));
      });
    }
  }
}

void panels_exact(const ActivationState& x, const RowRange& range) {
  const WeightType type = range.product->weights.type;
  if (is_quantized(type))
    with_blocks(type, [&](auto t) {
      using Type = decltype(t);
      panels_exact_by(
          x, range, 32 * Type::kUnits, sizeof(typename Type::Block),
          [](const PanelSource& source, Index width, const CodePanel& codes, float* out) {
            unpack_codes<Type>(source, width / 32, codes);
            widen_codes<Type>(codes, width / 32, out);
          });
    });
  else
    with_floats(type, [&](auto t) {
      using Type = decltype(t);
      panels_exact_by(x, range, 1, sizeof(typename Type::Block),
                      [](const PanelSource& source, Index width, const CodePanel&, float* out) {
                        unpack_floats<Type>(source, width, out);
                      });
    });
}
