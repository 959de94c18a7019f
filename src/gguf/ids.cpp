#include "gguf/ids.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

namespace pith::gguf {
namespace {

// The numbering of ggml.h (enum ggml_type). Gaps are types that were withdrawn.
struct Known {
  std::uint32_t id;
  std::string_view name;
  std::optional<WeightType> type;
};
constexpr Known kKnown[] = {
    {0, "F32", WeightType::f32},
    {1, "F16", WeightType::f16},
    {2, "Q4_0", WeightType::q4_0},
    {3, "Q4_1", WeightType::q4_1},
    {6, "Q5_0", WeightType::q5_0},
    {7, "Q5_1", WeightType::q5_1},
    {8, "Q8_0", WeightType::q8_0},
    {9, "Q8_1", {}},
    {10, "Q2_K", {}},
    {11, "Q3_K", {}},
    {12, "Q4_K", WeightType::q4_k},
    {13, "Q5_K", WeightType::q5_k},
    {14, "Q6_K", WeightType::q6_k},
    {15, "Q8_K", {}},
    {16, "IQ2_XXS", {}},
    {17, "IQ2_XS", {}},
    {18, "IQ3_XXS", {}},
    {19, "IQ1_S", {}},
    {20, "IQ4_NL", {}},
    {21, "IQ3_S", {}},
    {22, "IQ2_S", {}},
    {23, "IQ4_XS", {}},
    {24, "I8", {}},
    {25, "I16", {}},
    {26, "I32", {}},
    {27, "I64", {}},
    {28, "F64", {}},
    {29, "IQ1_M", {}},
    {30, "BF16", WeightType::bf16},
    {34, "TQ1_0", {}},
    {35, "TQ2_0", {}},
    {39, "MXFP4", {}},
};

}  // namespace

std::optional<WeightType> weight_type_of(std::uint32_t id) {
  for (const auto& known : kKnown)
    if (known.id == id) return known.type;
  return {};
}

std::uint32_t id_of(WeightType type) {
  for (const auto& known : kKnown)
    if (known.type == type) return known.id;
  return ~std::uint32_t{0};
}

std::string weight_name_of(std::uint32_t id) {
  for (const auto& known : kKnown)
    if (known.id == id) return fmt::format("{} (type {})", known.name, id);
  return fmt::format("type {}", id);
}

std::string known_weight_names() {
  std::vector<std::string_view> names;
  for (const WeightType type : kWeightTypes) names.push_back(info(type).name);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace pith::gguf
