#include "cli/bytes.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/error.h"

namespace pith::cli {
namespace {

constexpr double kLargest = 1e15;

// Bytes of a unit; 0 if there is no such unit.
double unit_bytes(std::string_view unit) {
  if (unit.empty() || unit == "B") return 1;
  if (unit == "KiB") return 1024;
  if (unit == "MiB") return 1024.0 * 1024;
  if (unit == "GiB") return 1024.0 * 1024 * 1024;
  return 0;
}

}  // namespace

Index parse_bytes(std::string_view option, std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  const double bytes = number * unit_bytes(unit);
  if (error != std::errc() || unit_bytes(unit) == 0 || !(bytes >= 0) || bytes > kLargest)
    fail(ErrorCode::bad_input,
         fmt::format(
             "{}: '{}' is no size; a number with B, KiB, MiB or GiB was expected, such as 64MiB",
             option, text));
  return static_cast<Index>(bytes);
}

}  // namespace pith::cli
