#include <fmt/format.h>

#include <cmath>

#include "text/jinja/evaluator.h"
#include "text/jinja/filters.h"

namespace pith::jinja {
namespace {

// By reference, because the operation that tells of the overflow writes the result while arguments
// are evaluated.
std::int64_t checked(bool overflow, const std::int64_t& result) {
  if (overflow) throw RuntimeError("an integer does not fit 64 bits");
  return result;
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  // Beyond 63 squarings only -1, 0 and 1 stay within 64 bits, and their powers depend on the
  // exponent's parity alone.
  if (exponent > 64 && base >= -1 && base <= 1) exponent = 2 + exponent % 2;
  for (; exponent > 0; --exponent) {
    checked(__builtin_mul_overflow(result, base, &result), 0);
  }
  return result;
}

Value integer_arithmetic(const std::string& op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (op == "+") return checked(__builtin_add_overflow(a, b, &result), result);
  if (op == "-") return checked(__builtin_sub_overflow(a, b, &result), result);
  if (op == "*") return checked(__builtin_mul_overflow(a, b, &result), result);
  if (op == "**" && b >= 0) return power(a, b);
  if (op == "**") return std::pow(static_cast<double>(a), static_cast<double>(b));
  if (b == 0) throw RuntimeError("division by zero");
  if (op == "/") return static_cast<double>(a) / static_cast<double>(b);
  if (b == -1)
    return op == "//" ? checked(__builtin_sub_overflow(std::int64_t{0}, a, &result), result)
                      : Value(0);
  // Python rounds towards minus infinity; the remainder has the divisor's sign.
  const std::int64_t remainder = a % b;
  const bool adjust = remainder != 0 && (remainder < 0) != (b < 0);
  if (op == "//") return a / b - (adjust ? 1 : 0);
  return adjust ? remainder + b : remainder;
}

Value float_arithmetic(const std::string& op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "**") return std::pow(a, b);
  if (b == 0) throw RuntimeError("float division by zero");
  if (op == "/") return a / b;
  if (op == "//") return std::floor(a / b);
  const double remainder = std::fmod(a, b);
  return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

}  // namespace

Value Evaluator::arithmetic(const std::string& op, const Value& a, const Value& b) {
  require_defined(a);
  require_defined(b);
  if (a.is_number() && b.is_number()) {
    const bool floating = a.is(Kind::number) || b.is(Kind::number);
    return floating ? float_arithmetic(op, a.number(), b.number())
                    : integer_arithmetic(op, a.integer(), b.integer());
  }
  if (op == "+" && a.is(Kind::string) && b.is(Kind::string)) {
    charge(a.string().size() + b.string().size());
    return a.string() + b.string();
  }
  if (op == "+" && a.is(Kind::sequence) && b.is(Kind::sequence) &&
      a.sequence().tuple == b.sequence().tuple) {
    List items = a.sequence().items;
    charge((items.size() + b.sequence().items.size()) * sizeof(Value));
    items.insert(items.end(), b.sequence().items.begin(), b.sequence().items.end());
    return Value(std::move(items), a.sequence().tuple);
  }
  if (op == "%" && a.is(Kind::string)) {
    const bool many = b.is(Kind::sequence) && b.sequence().tuple;
    return percent_format(*this, a.string(), many ? b.sequence().items : List{b});
  }
  const bool repeat_left = a.is(Kind::string) || a.is(Kind::sequence);
  const Value& whole = repeat_left ? a : b;
  const Value& count = repeat_left ? b : a;
  if (op == "*" && (count.is(Kind::integer) || count.is(Kind::boolean)) &&
      (whole.is(Kind::string) || whole.is(Kind::sequence))) {
    const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count.integer(), 0));
    const std::size_t size = whole.is(Kind::string) ? whole.string().size()
                                                    : whole.sequence().items.size() * sizeof(Value);
    if (size > 0 && times > (std::size_t{1} << 40) / size) charge(SIZE_MAX);
    charge(size * times);
    if (whole.is(Kind::string)) {
      std::string text;
      if (size > 0) {
        text.reserve(size * times);
        for (std::size_t i = 0; i < times; ++i) text += whole.string();
      }
      return text;
    }
    List items;
    const List& part = whole.sequence().items;
    if (!part.empty()) {
      for (std::size_t i = 0; i < times; ++i) items.insert(items.end(), part.begin(), part.end());
    }
    return Value(std::move(items), whole.sequence().tuple);
  }
  throw RuntimeError(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", op,
                                 type_name(a), type_name(b)));
}

}  // namespace pith::jinja
