// The storage types of weights, as GGUF files hold them: names and block sizes. Their arithmetic is
// not here but in linear.h.
#pragma once

#include <optional>
#include <string_view>

#include "base/types.h"

namespace pith {

enum class WeightType { f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k };

struct WeightTypeInfo {
  std::string_view name;  // as the field writes it: "Q4_K"
  Index block;            // weights in a block
  Index bytes;            // bytes of a block
};
const WeightTypeInfo& info(WeightType type);
inline constexpr WeightType kWeightTypes[] = {WeightType::f32,  WeightType::f16,  WeightType::bf16,
                                              WeightType::q8_0, WeightType::q4_0, WeightType::q4_1,
                                              WeightType::q5_0, WeightType::q5_1, WeightType::q4_k,
                                              WeightType::q5_k, WeightType::q6_k};

}  // namespace pith
