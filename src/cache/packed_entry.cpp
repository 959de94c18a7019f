#include "cache/packed_entry.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "cache/quantize.h"
#include "kernels/hadamard.h"

namespace pith::cache {
namespace {

// Room for a key or value on the stack.
struct Row {
  std::array<float, kMaxPackedDim> numbers;
  std::array<std::uint8_t, kMaxPackedDim> codes;
};

void write_grid(std::byte* tile, Index scales, Index slot, const Grid& grid) {
  std::memcpy(tile + scales + 2 * slot, &grid.scale, 2);
  std::memcpy(tile + scales + 32 + 2 * slot, &grid.zero, 2);
}

float number(Packing packing, std::uint32_t code) {
  return packing == Packing::e4m3 ? from_e4m3(code) : static_cast<float>(code);
}

}  // namespace

void write_packed_key(const TileLayout& layout, std::byte* tile, Index slot, const float* key,
                      const float* centre, const KeyRounding* rounding) {
  const PackedTile at = layout.packing();
  Row row;
  for (Index d = 0; d < at.head_dim; ++d)
    row.numbers[static_cast<std::size_t>(d)] = key[d] - centre[d];
  if (traits(layout.format).rotates_keys) rotate_hadamard(row.numbers.data(), 1, at.head_dim);
  write_grid(tile, at.key_scales(), slot,
             rounding != nullptr
                 ? rounding->quantize(at.packing, row.numbers.data(), row.codes.data())
                 : quantize(at.packing, row.numbers.data(), at.head_dim, row.codes.data()));
  for (Index d = 0; d < at.head_dim; ++d)
    at.set_key_code(tile, d, slot, row.codes[static_cast<std::size_t>(d)]);
}

void write_packed_value(const TileLayout& layout, std::byte* tile, Index slot, const float* value) {
  const PackedTile at = layout.packing();
  Row row;
  std::copy_n(value, at.head_dim, row.numbers.data());
  if (traits(layout.format).rotates_values) rotate_hadamard(row.numbers.data(), 1, at.head_dim);
  write_grid(tile, at.value_scales(), slot,
             quantize(at.packing, row.numbers.data(), at.head_dim, row.codes.data()));
  for (Index d = 0; d < at.head_dim; ++d)
    at.set_value_code(tile, slot, d, row.codes[static_cast<std::size_t>(d)]);
}

void read_packed_key(const TileLayout& layout, const std::byte* tile, Index slot,
                     const float* centre, float* key) {
  const PackedTile at = layout.packing();
  const float scale = PackedTile::scale(tile, at.key_scales(), slot),
              zero = PackedTile::scale(tile, at.key_zeros(), slot);
  for (Index d = 0; d < at.head_dim; ++d)
    key[d] = scale * number(at.packing, at.key_code(tile, d, slot)) + zero;
  if (traits(layout.format).rotates_keys) unrotate_hadamard(key, 1, at.head_dim);
  for (Index d = 0; d < at.head_dim; ++d) key[d] += centre[d];
}

void read_packed_value(const TileLayout& layout, const std::byte* tile, Index slot, float* value) {
  const PackedTile at = layout.packing();
  const float scale = PackedTile::scale(tile, at.value_scales(), slot),
              zero = PackedTile::scale(tile, at.value_zeros(), slot);
  for (Index d = 0; d < at.head_dim; ++d)
    value[d] = scale * number(at.packing, at.value_code(tile, slot, d)) + zero;
  if (traits(layout.format).rotates_values) unrotate_hadamard(value, 1, at.head_dim);
}

void copy_packed_value(const TileLayout& layout, const std::byte* from, Index from_slot,
                       std::byte* to, Index to_slot) {
  const PackedTile at = layout.packing();
  for (Index d = 0; d < at.head_dim; ++d)
    at.set_value_code(to, to_slot, d, at.value_code(from, from_slot, d));
  for (Index column : {at.key_scales(), at.key_zeros(), at.value_scales(), at.value_zeros()})
    std::memcpy(to + column + 2 * to_slot, from + column + 2 * from_slot, 2);
}

}  // namespace pith::cache
