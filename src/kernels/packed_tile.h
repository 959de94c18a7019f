// Where things are in a packed tile: 16 entries whose numbers take 8, 4 or 2 bits. It reads and
// writes single codes; how numbers become codes is the business of those who fill tiles.
//
// A word is 32 bits with E = 32 / bits codes, code i at bit i * bits. Shifted and masked, its two
// halves hold the codes (k, k + E/2): the pairs of 16-bit numbers that a dot product step takes.
//   keys    words [ceil(D / E)][16]    a word: E dimensions of one entry
//   values  words [16 / E][D]          a word: one dimension of E entries
//   bf16[16] each: scales and zeros of keys, then of values
// A number is scale * code + zero; for e4m3 the code is a float, and zero is 0.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/numbers.h"
#include "base/types.h"

namespace pith {

enum class Packing { int8, int4, int2, e4m3 };
inline constexpr int kPackings = 4;

constexpr Index packing_bits(Packing packing) {
  return packing == Packing::int4 ? 4 : packing == Packing::int2 ? 2 : 8;
}

struct PackedTile {
  Packing packing = Packing::int8;
  Index head_dim = 0;  // D

  constexpr Index bits() const { return packing_bits(packing); }
  constexpr Index group() const { return 32 / bits(); }  // E
  constexpr Index values() const { return ceil_div(head_dim, group()) * 64; }
  constexpr Index key_scales() const { return values() + 16 / group() * head_dim * 4; }
  constexpr Index key_zeros() const { return key_scales() + 32; }
  constexpr Index value_scales() const { return key_zeros() + 32; }
  constexpr Index value_zeros() const { return value_scales() + 32; }
  constexpr Index bytes() const { return value_zeros() + 32; }

  // The word of a code, in bytes from the start of the tile, and the code's first bit in it.
  constexpr Index key_word(Index d, Index entry) const { return (d / group() * 16 + entry) * 4; }
  constexpr Index key_bit(Index d) const { return d % group() * bits(); }
  constexpr Index value_word(Index entry, Index d) const {
    return values() + (entry / group() * head_dim + d) * 4;
  }
  constexpr Index value_bit(Index entry) const { return entry % group() * bits(); }

  std::uint32_t code(const std::byte* tile, Index word, Index bit) const {
    std::uint32_t x;
    std::memcpy(&x, tile + word, 4);
    return x >> bit & ((1u << bits()) - 1);
  }
  void set_code(std::byte* tile, Index word, Index bit, std::uint32_t code) const {
    std::uint32_t x;
    std::memcpy(&x, tile + word, 4);
    x = (x & ~(((1u << bits()) - 1) << bit)) | code << bit;
    std::memcpy(tile + word, &x, 4);
  }
  static float scale(const std::byte* tile, Index column, Index entry) {
    bf16 x;
    std::memcpy(&x, tile + column + 2 * entry, 2);
    return to_float(x);
  }
};

// Eight bits s eeee mmm: (-1)^s 2^(e - 7) (1 + m / 8). There are neither subnormals nor zero nor
// NaN, so that widening takes a shift and an addition; the least magnitude is 2^-16 of the largest.
inline constexpr float kMostE4m3 = 480;
inline float from_e4m3(std::uint32_t code) {
  const std::uint32_t magnitude = ((code & 0x7fu) << 20) + (120u << 23);
  return std::bit_cast<float>((code & 0x80u) << 24 | magnitude);
}
// The nearest one.
inline std::uint32_t to_e4m3(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = bits >> 24 & 0x80u;
  const float magnitude = x < 0 ? -x : x;
  if (!(magnitude > 0x1p-7f)) return sign;
  if (magnitude >= kMostE4m3) return sign | 0x7fu;
  const std::uint32_t rounded = (bits & 0x7fffffffu) + 0x7ffffu + (bits >> 20 & 1u);
  const std::uint32_t code = (rounded >> 20) - (120u << 3);
  return sign | (code > 0x7fu ? 0x7fu : code);
}

}  // namespace pith
