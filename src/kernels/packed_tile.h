// Where things are in a packed tile: 16 entries whose numbers take 8, 4, 3 or 2 bits. It reads and
// writes single codes; how numbers become codes is the business of those who fill tiles.
//
// A word is 32 bits with E = 32 / bits codes, code i at bit i * bits. Shifted and masked, its two
// halves hold the codes (k, k + E/2): the pairs of 16-bit numbers that a dot product step takes.
//   keys    words [ceil(D / E)][16]    a word: E dimensions of one entry
//   values  words [16 / E][D]          a word: one dimension of E entries
//   bf16[16] each: scales and zeros of keys, then of values
// Of 3 bits the lower two lie like codes of 2 bits. The high ones come behind those of all keys and
// behind those of all values, so that one shift brings them above the lower ones:
//   keys    words [ceil(D / 32)][16]   a word: 32 dimensions of one entry; its byte b has those of
//                                      dimensions 4b .. 4b + 3 and 16 + 4b .. 16 + 4b + 3
//   values  16 bits [D]                one dimension of 16 entries, entry i at bit i
// A number is scale * code + zero; for e4m3 the code is a float, and zero is 0.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/numbers.h"
#include "base/types.h"

namespace pith {

enum class Packing { int8, int4, int2, e4m3, int3 };
inline constexpr int kPackings = 5;

constexpr Index packing_bits(Packing packing) {
  switch (packing) {
    case Packing::int4:
      return 4;
    case Packing::int3:
      return 3;
    case Packing::int2:
      return 2;
    case Packing::int8:
    case Packing::e4m3:
      break;
  }
  return 8;
}

struct PackedTile {
  Packing packing = Packing::int8;
  Index head_dim = 0;  // D

  constexpr Index bits() const { return packing_bits(packing); }
  constexpr bool is_split() const { return bits() == 3; }  // high bits lie apart
  constexpr Index low_bits() const { return is_split() ? 2 : bits(); }
  constexpr Index group() const { return 32 / low_bits(); }  // E
  constexpr Index high_keys() const { return ceil_div(head_dim, group()) * 64; }
  constexpr Index values() const {
    return high_keys() + (is_split() ? ceil_div(head_dim, 32) * 64 : 0);
  }
  constexpr Index high_values() const { return values() + 16 / group() * head_dim * 4; }
  constexpr Index key_scales() const { return high_values() + (is_split() ? head_dim * 2 : 0); }
  constexpr Index key_zeros() const { return key_scales() + 32; }
  constexpr Index value_scales() const { return key_zeros() + 32; }
  constexpr Index value_zeros() const { return value_scales() + 32; }
  constexpr Index bytes() const { return value_zeros() + 32; }

  std::uint32_t key_code(const std::byte* tile, Index d, Index entry) const {
    return code(tile, low_key(d, entry), high_key(d, entry));
  }
  std::uint32_t value_code(const std::byte* tile, Index entry, Index d) const {
    return code(tile, low_value(entry, d), high_value(entry, d));
  }
  void set_key_code(std::byte* tile, Index d, Index entry, std::uint32_t code) const {
    set_code(tile, low_key(d, entry), high_key(d, entry), code);
  }
  void set_value_code(std::byte* tile, Index entry, Index d, std::uint32_t code) const {
    set_code(tile, low_value(entry, d), high_value(entry, d), code);
  }
  static float scale(const std::byte* tile, Index column, Index entry) {
    bf16 x;
    std::memcpy(&x, tile + column + 2 * entry, 2);
    return to_float(x);
  }

 private:
  struct Spot {
    Index byte = 0;  // from the start of the tile
    Index bit = 0;   // of the byte; no part of a code crosses its end
  };
  constexpr Spot in_word(Index word, Index i) const {  // code i of a word of low bits
    return {word + i * low_bits() / 8, i * low_bits() % 8};
  }
  constexpr Spot low_key(Index d, Index entry) const {
    return in_word((d / group() * 16 + entry) * 4, d % group());
  }
  constexpr Spot low_value(Index entry, Index d) const {
    return in_word(values() + (entry / group() * head_dim + d) * 4, entry % group());
  }
  constexpr Spot high_key(Index d, Index entry) const {
    return {high_keys() + (d / 32 * 16 + entry) * 4 + d % 16 / 4, d % 32 / 16 * 4 + d % 4};
  }
  constexpr Spot high_value(Index entry, Index d) const {
    return {high_values() + d * 2 + entry / 8, entry % 8};
  }

  static std::uint32_t read(const std::byte* tile, Spot at, Index bits) {
    return std::to_integer<std::uint32_t>(tile[at.byte]) >> at.bit & ((1u << bits) - 1);
  }
  static void write(std::byte* tile, Spot at, Index bits, std::uint32_t x) {
    const std::uint32_t mask = ((1u << bits) - 1) << at.bit;
    const auto old = std::to_integer<std::uint32_t>(tile[at.byte]);
    tile[at.byte] = static_cast<std::byte>((old & ~mask) | (x << at.bit & mask));
  }
  std::uint32_t code(const std::byte* tile, Spot low, Spot high) const {
    const std::uint32_t x = read(tile, low, low_bits());
    return is_split() ? x | read(tile, high, 1) << 2 : x;
  }
  void set_code(std::byte* tile, Spot low, Spot high, std::uint32_t code) const {
    write(tile, low, low_bits(), code);
    if (is_split()) write(tile, high, 1, code >> 2);
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
