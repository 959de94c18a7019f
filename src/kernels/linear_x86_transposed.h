// Products with transposed weights: a row of weights, unpacked as it lies, is what a sum over rows
// wants to add, so nothing is transposed. Included by linear_transposed_avx2.cpp and
// linear_transposed_avx512.cpp inside their anonymous namespaces, after linear_x86_blocks.h and
// their `Wide`, `F32Step`, ...; not a header for others. As in
// attention_avx512.cpp, nothing with inline functions that other files share is called here.
//
// A step is a way to multiply: its Element is what stands for kRows weights of one column (or as
// many values of y), and add(w, y, sums) multiplies and adds a register of them.

constexpr Index kDepth = 256;     // rows of weights in a panel: 32 columns of them fit the L1 cache
constexpr Index kRowsAhead = 16;  // that a row is asked for before it is unpacked: ranges of rows
                                  // lie too far apart for the hardware to foresee the next

inline void ask_for(const std::byte* begin, const std::byte* end) {
  for (; begin < end; begin += 64) _mm_prefetch(begin, _MM_HINT_T0);
}

// Weights of one row from `row` on as f32: `count` of them, whole blocks. Those from column k on,
// 16 of them, go to place(k).
template <typename Type, typename Place>
inline void unpack_row(const std::byte* row, Index count, Place place) {
  const auto* block = reinterpret_cast<const typename Type::Block*>(row);
  if constexpr (Type::kUnits == 8) {
    for (Index k = 0; k < count; k += 256, ++block) {
      alignas(32) float scale[16], min[16];
#pragma GCC unroll 2
      for (int part = 0; part < static_cast<int>(32 / Type::kGroup); ++part) {
        const EightScales eight = Type::scales(block, part);
        _mm256_store_ps(scale + 8 * part, eight.scale);
        _mm256_store_ps(
            min + 8 * part,
            Type::kHasMin ? eight.min : _mm256_mul_ps(eight.scale, _mm256_set1_ps(-Type::kZero)));
      }
#pragma GCC unroll 8
      for (int s = 0; s < 8; ++s) {
        constexpr int kGroups = 32 / Type::kGroup;
        const int low = s * kGroups, high = low + kGroups - 1;
        Wide::widen(Type::codes(block, s), scale[low], min[low], scale[high], min[high],
                    place(k + 32 * s), place(k + 32 * s + 16));
      }
    }
  } else {
    for (Index k = 0; k < count; k += 32, ++block) {
      const float scale = half(block->d);
      float min = -Type::kZero * scale;
      if constexpr (Type::kHasMin) min = half(block->m);
      Wide::widen(Type::codes(block, 0), scale, min, scale, min, place(k), place(k + 16));
    }
  }
}

template <typename Type>
inline void unpack_float_row(const std::byte* row, Index count, float* out) {
  const auto* from = reinterpret_cast<const typename Type::Block*>(row);
  Index k = 0;
  for (; k + 8 <= count; k += 8) _mm256_storeu_ps(out + k, Type::load(from + k));
  for (; k < count; ++k) out[k] = Type::one(from[k]);
}

// kTokens rows of y times a panel [depth][kColumns]; with `add`, onto what x holds. `columns` of
// the results are stored.
template <typename Step, int kTokens>
void transposed_tile(const typename Step::Element* panel, Index depth,
                     const typename Step::Element* y, Index y_stride, bool add, float* x,
                     Index x_stride, Index columns) {
  using Reg = typename Step::Reg;
  constexpr Index kWidth = Step::kWidth;
  Reg low[kTokens], high[kTokens];
#pragma GCC unroll 16
  for (int t = 0; t < kTokens; ++t) low[t] = high[t] = Step::zero();
#pragma GCC unroll 2
  for (Index d = 0; d < depth; ++d) {
    const auto w_low = Step::load(panel + d * 2 * kWidth),
               w_high = Step::load(panel + d * 2 * kWidth + kWidth);
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; ++t) {
      const auto factor = Step::all(y[t * y_stride + d]);
      low[t] = Step::add(w_low, factor, low[t]);
      high[t] = Step::add(w_high, factor, high[t]);
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < kTokens; ++t) {
    float* to = x + t * x_stride;
    if (columns == 2 * kWidth) {
      Step::put(low[t], add, to);
      Step::put(high[t], add, to + kWidth);
    } else {
      float sums[2 * kWidth];
      Step::put(low[t], false, sums);
      Step::put(high[t], false, sums + kWidth);
      for (Index i = 0; i < columns; ++i) to[i] = add ? to[i] + sums[i] : sums[i];
    }
  }
}

template <typename Step, typename Tokens>
struct TransposedTiles;
template <typename Step, int... before>
struct TransposedTiles<Step, std::integer_sequence<int, before...>> {
  static constexpr decltype(&transposed_tile<Step, 1>) kOf[] = {
      transposed_tile<Step, before + 1>...};  // one token less than the tile has
};

// Panels [columns / kColumns][depth][kColumns] of elements for rows [begin, begin + rows) of the
// range's columns; `unpack(row, place)` gives one row of them as f32. An f32 panel takes quantised
// rows as they come; other rows are joined, or padded, on the way.
template <typename Step, bool quantized, typename Unpack>
inline void fill_panels(Index rows, Index columns, Unpack unpack, typename Step::Element* panels) {
  constexpr Index kColumns = 2 * Step::kWidth;
  if constexpr (Step::kRows == 1 && quantized) {
    for (Index d = 0; d < rows; ++d)
      unpack(d,
             [=](Index k) { return panels + (k / kColumns * rows + d) * kColumns + k % kColumns; });
    return;
  }
  alignas(64) float unpacked[2][kTransposedColumns + kColumns];
  const Index depth = (rows + Step::kRows - 1) / Step::kRows;
  for (Index d = 0; d < depth; ++d) {
    for (Index r = 0; r < Step::kRows; ++r) {
      if (d * Step::kRows + r < rows)
        unpack(d * Step::kRows + r, [to = unpacked[r]](Index k) { return to + k; });
      else
        for (float& w : unpacked[r]) w = 0;
      for (Index k = columns; k % kColumns != 0; ++k) unpacked[r][k] = 0;
    }
    for (Index k = 0; k < columns; k += kColumns)
      Step::join(unpacked[0] + k, unpacked[1] + k, panels + (k * depth + d * kColumns));
  }
}

// A row of the range's columns is `bytes` long, from `offset` on.
template <typename Step, bool quantized, typename Unpack>
inline void transposed_by(const TransposedRange& range, Index offset, Index bytes, Unpack unpack) {
  using Element = typename Step::Element;
  using Tiles = TransposedTiles<Step, std::make_integer_sequence<int, Step::kTile>>;
  constexpr Index kColumns = 2 * Step::kWidth;
  const Index padded = (range.count + kColumns - 1) / kColumns * kColumns;
  auto* panels = reinterpret_cast<Element*>(thread_scratch(padded * kDepth * 4));
  const Index N = range.weights->rows, K = range.weights->cols;
  const Index tiles = (range.tokens + Step::kTile - 1) / Step::kTile;
  const std::byte *first = range.weights->data + offset,
                  *end = range.weights->data + N * range.row_bytes;
  for (Index n = 0; n < N; n += kDepth) {
    const Index rows = N - n < kDepth ? N - n : kDepth;
    const Index depth = (rows + Step::kRows - 1) / Step::kRows;
    fill_panels<Step, quantized>(
        rows, range.count,
        [&](Index r, auto place) {
          const std::byte* row = first + (n + r) * range.row_bytes;
          const std::byte* ahead = row + kRowsAhead * range.row_bytes;
          if (ahead < end) ask_for(ahead, ahead + bytes);
          unpack(row, place);
        },
        panels);
    for (Index k = 0; k < range.count; k += kColumns) {
      const Index columns = range.count - k < kColumns ? range.count - k : kColumns;
      for (Index tile = 0, token = 0; tile < tiles; ++tile) {
        const Index count = (range.tokens - token + tiles - tile - 1) / (tiles - tile);
        const auto* y =
            static_cast<const Element*>(range.y) + token * (range.y_stride / Step::kRows);
        Tiles::kOf[count - 1](panels + k * depth, depth, y + n / Step::kRows,
                              range.y_stride / Step::kRows, n > 0 || range.add,
                              range.x + token * K + range.first + k, K, columns);
        token += count;
      }
    }
  }
}

template <typename Step>
void transposed(const TransposedRange& range) {
  const WeightType type = range.weights->type;
  const Index first = range.first, count = range.count;
  if (is_quantized(type))
    with_blocks(type, [&](auto t) {
      using Type = decltype(t);
      constexpr Index kBlock = 32 * Type::kUnits, kBytes = sizeof(typename Type::Block);
      transposed_by<Step, true>(
          range, first / kBlock * kBytes, count / kBlock * kBytes,
          [=](const std::byte* row, auto place) { unpack_row<Type>(row, count, place); });
    });
  else
    with_floats(type, [&](auto t) {
      using Type = decltype(t);
      constexpr Index kBytes = sizeof(typename Type::Block);
      transposed_by<Step, false>(
          range, first * kBytes, count * kBytes,
          [=](const std::byte* row, auto place) { unpack_float_row<Type>(row, count, place(0)); });
    });
}
