// The numbers that stand for value types and tensor types in a GGUF file, shared by reader and
// writer. Not for other layers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kernels/weight_type.h"

namespace pith::gguf {

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr std::string_view kAlignmentKey = "general.alignment";
inline constexpr std::uint64_t kDefaultAlignment = 32;

enum class ValueId : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

std::optional<WeightType> weight_type_of(std::uint32_t id);
std::uint32_t id_of(WeightType type);
std::string weight_name_of(
    std::uint32_t id);             // also for types that pith cannot use: "IQ4_XS (type 23)"
std::string known_weight_names();  // "F32, F16, ..."

}  // namespace pith::gguf
