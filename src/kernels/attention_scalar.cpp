#include <algorithm>
#include <cmath>
#include <limits>

#include "base/numbers.h"
#include "kernels/attention_tables.h"

namespace pith {
namespace {

// Element access of a tile, by format.
struct Bf16Tile {
  const bf16* data;
  Index head_dim;
  float key(Index d, Index entry) const { return to_float(data[(d / 2 * 16 + entry) * 2 + d % 2]); }
  float value(Index entry, Index d) const {
    return to_float(data[kTileEntries * head_dim + entry * head_dim + d]);
  }
};
struct F32Tile {
  const float* data;
  Index head_dim;
  float key(Index d, Index entry) const { return data[d * 16 + entry]; }
  float value(Index entry, Index d) const {
    return data[kTileEntries * head_dim + entry * head_dim + d];
  }
};

template <Packing kPacking>
struct PackedTileView {
  const std::byte* data;
  PackedTile at;
  float number(std::uint32_t code, Index scales, Index entry) const {
    const float x = kPacking == Packing::e4m3 ? from_e4m3(code) : static_cast<float>(code);
    return PackedTile::scale(data, scales, entry) * x +
           (kPacking == Packing::e4m3 ? 0 : PackedTile::scale(data, scales + 32, entry));
  }
  float key(Index d, Index entry) const {
    return number(at.key_code(data, d, entry), at.key_scales(), entry);
  }
  float value(Index entry, Index d) const {
    return number(at.value_code(data, entry, d), at.value_scales(), entry);
  }
};

Bf16Tile view(const std::byte* tile, Index head_dim, const Bf16Tile*) {
  return {reinterpret_cast<const bf16*>(tile), head_dim};
}
F32Tile view(const std::byte* tile, Index head_dim, const F32Tile*) {
  return {reinterpret_cast<const float*>(tile), head_dim};
}

template <Packing kPacking>
PackedTileView<kPacking> view(const std::byte* tile, Index head_dim,
                              const PackedTileView<kPacking>*) {
  return {tile, {kPacking, head_dim}};
}

void pack(const float* queries, Index rows, Index head_dim, float* packed) {
  std::copy_n(queries, rows * head_dim, packed);
}

template <typename Tile>
void qk(const AttentionStrip& s) {
  for (Index i = 0; i < ceil_div(s.entries, kTileEntries); ++i) {
    const Tile tile = view(s.tiles[i], s.head_dim, static_cast<const Tile*>(nullptr));
    for (Index r = 0; r < s.rows; ++r) {
      float sum[kTileEntries];
      std::fill_n(sum, kTileEntries, s.base ? s.base[r] : 0.0f);
      for (Index d = 0; d < s.head_dim; ++d)
        for (Index j = 0; j < kTileEntries; ++j)
          sum[j] += s.queries[r * s.head_dim + d] * tile.key(d, j);
      std::copy_n(sum, kTileEntries, s.strip + r * s.stride + i * kTileEntries);
    }
  }
}

template <typename Tile>
void pv(const AttentionStrip& s) {
  for (Index r = 0; r < s.rows; ++r) {
    float* out = s.out + r * s.head_dim;
    for (Index d = 0; d < s.head_dim; ++d) out[d] *= s.factors[r];
    for (Index j = 0; j < s.entries; ++j) {
      const Tile tile =
          view(s.tiles[j / kTileEntries], s.head_dim, static_cast<const Tile*>(nullptr));
      const float weight = s.strip[r * s.stride + j];
      for (Index d = 0; d < s.head_dim; ++d) out[d] += weight * tile.value(j % kTileEntries, d);
    }
  }
}

float softmax(float* x, const float* bias, Index n, float* m) {
  float top = *m;
  for (Index j = 0; j < n; ++j) {
    if (bias) x[j] += bias[j];
    top = std::max(top, x[j]);
  }
  *m = top;
  const float shift = top == -std::numeric_limits<float>::infinity() ? 0.0f : top;
  float sum = 0;
  for (Index j = 0; j < n; ++j) sum += x[j] = std::exp(x[j] - shift);
  return sum;
}

void scale(float* x, float factor, Index n) {
  for (Index j = 0; j < n; ++j) x[j] *= factor;
}

}  // namespace

namespace {

template <Packing kPacking>
constexpr TileKernels kPacked = {pack, qk<PackedTileView<kPacking>>, pv<PackedTileView<kPacking>>};
constexpr TileKernels kPackedScalar[kPackings] = {kPacked<Packing::int8>, kPacked<Packing::int4>,
                                                  kPacked<Packing::int2>, kPacked<Packing::e4m3>,
                                                  kPacked<Packing::int3>};

}  // namespace

const AttentionKernels kAttentionScalar = {{pack, qk<Bf16Tile>, pv<Bf16Tile>},
                                           {pack, qk<F32Tile>, pv<F32Tile>},
                                           kPackedScalar,
                                           softmax,
                                           scale};

}  // namespace pith
