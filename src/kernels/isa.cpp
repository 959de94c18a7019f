#include "kernels/isa.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string>

#include "base/error.h"

namespace pith {

std::string_view to_string(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return "scalar";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
  }
  return "?";
}

std::optional<Isa> parse_isa(std::string_view name) {
  for (Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512})
    if (name == to_string(isa)) return isa;
  return std::nullopt;
}

bool supported(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return true;
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c");
    case Isa::avx512:
      return supported(Isa::avx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni") &&
             __builtin_cpu_supports("avx512bf16");
  }
  return false;
}

Isa best_isa() {
  if (supported(Isa::avx512)) return Isa::avx512;
  return supported(Isa::avx2) ? Isa::avx2 : Isa::scalar;
}

Isa active_isa() {
  static const Isa chosen = [] {
    const char* name = std::getenv("PITH_ISA");
    if (!name || !*name) return best_isa();
    const auto isa = parse_isa(name);
    if (!isa)
      fail(ErrorCode::bad_input,
           fmt::format("PITH_ISA={} is not an instruction set; use scalar, avx2 or avx512", name));
    if (!supported(*isa))
      fail(ErrorCode::unsupported,
           fmt::format("PITH_ISA={}: this machine has no {}; its best is {}", name, name,
                       to_string(best_isa())));
    return *isa;
  }();
  return chosen;
}

}  // namespace pith
