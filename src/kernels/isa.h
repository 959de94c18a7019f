// Which instruction set the kernels use: the best that the machine has, unless PITH_ISA names a
// lower one. It holds no kernels; it is the only place that asks the processor anything.
#pragma once

#include <optional>
#include <string_view>

namespace pith {

// Ascending. avx2 includes FMA, F16C and BMI2; avx512 means F, BW, VL, DQ, VNNI and BF16 together.
enum class Isa { scalar, avx2, avx512 };
std::string_view to_string(Isa isa);
std::optional<Isa> parse_isa(std::string_view name);

bool supported(Isa isa);  // by this machine
Isa best_isa();           // the highest supported level

// best_isa(), or what PITH_ISA says. Throws bad_input for an unknown name, unsupported for a level
// that is not here.
Isa active_isa();

}  // namespace pith
