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
  for (Index first = 0; first < at.head_dim; first += at.group()) {
    std::uint32_t word = 0;
    for (Index d = first; d < std::min(first + at.group(), at.head_dim); ++d)
      word |= std::uint32_t{row.codes[static_cast<std::size_t>(d)]} << at.key_bit(d);
    std::memcpy(tile + at.key_word(first, slot), &word, 4);
  }
}

void write_packed_value(const TileLayout& layout, std::byte* tile, Index slot, const float* value) {
  const PackedTile at = layout.packing();
  Row row;
  std::copy_n(value, at.head_dim, row.numbers.data());
  if (traits(layout.format).rotates_values) rotate_hadamard(row.numbers.data(), 1, at.head_dim);
  write_grid(tile, at.value_scales(), slot,
             quantize(at.packing, row.numbers.data(), at.head_dim, row.codes.data()));
  for (Index d = 0; d < at.head_dim; ++d)
    at.set_code(tile, at.value_word(slot, d), at.value_bit(slot),
                row.codes[static_cast<std::size_t>(d)]);
}

void read_packed_key(const TileLayout& layout, const std::byte* tile, Index slot,
                     const float* centre, float* key) {
  const PackedTile at = layout.packing();
  const float scale = PackedTile::scale(tile, at.key_scales(), slot),
              zero = PackedTile::scale(tile, at.key_zeros(), slot);
  for (Index d = 0; d < at.head_dim; ++d)
    key[d] = scale * number(at.packing, at.code(tile, at.key_word(d, slot), at.key_bit(d))) + zero;
  if (traits(layout.format).rotates_keys) unrotate_hadamard(key, 1, at.head_dim);
  for (Index d = 0; d < at.head_dim; ++d) key[d] += centre[d];
}

void read_packed_value(const TileLayout& layout, const std::byte* tile, Index slot, float* value) {
  const PackedTile at = layout.packing();
  const float scale = PackedTile::scale(tile, at.value_scales(), slot),
              zero = PackedTile::scale(tile, at.value_zeros(), slot);
  for (Index d = 0; d < at.head_dim; ++d)
    value[d] =
        scale * number(at.packing, at.code(tile, at.value_word(slot, d), at.value_bit(slot))) +
        zero;
  if (traits(layout.format).rotates_values) unrotate_hadamard(value, 1, at.head_dim);
}

void copy_packed_value(const TileLayout& layout, const std::byte* from, Index from_slot,
                       std::byte* to, Index to_slot) {
  const PackedTile at = layout.packing();
  for (Index d = 0; d < at.head_dim; ++d)
    at.set_code(to, at.value_word(to_slot, d), at.value_bit(to_slot),
                at.code(from, at.value_word(from_slot, d), at.value_bit(from_slot)));
  for (Index column : {at.key_scales(), at.key_zeros(), at.value_scales(), at.value_zeros()})
    std::memcpy(to + column + 2 * to_slot, from + column + 2 * from_slot, 2);
}

}  // namespace pith::cache
