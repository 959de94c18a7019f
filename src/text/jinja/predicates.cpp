#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text/jinja/filters.h"
#include "text/jinja/strings.h"

namespace pith::jinja {
namespace {

#define PITH_TEST(name) \
  bool name([[maybe_unused]] Evaluator& evaluator, const Value& input, const Arguments& arguments)
#define PITH_PLAIN_TEST(name, condition) \
  PITH_TEST(name) {                      \
    Binder(#name, arguments).finish();   \
    return condition;                    \
  }

const Value& other(const Arguments& arguments) {
  if (arguments.positional.size() != 1 || !arguments.named.empty())
    throw RuntimeError("a test with one argument was expected");
  return arguments.positional[0];
}

int order(Evaluator& evaluator, const Value& input, const Arguments& arguments) {
  evaluator.spend(std::min(weight_of(input), weight_of(other(arguments))) / 64);
  return compare(input, other(arguments));
}

std::int64_t remainder(const Value& input, std::int64_t divisor) {
  require_defined(input);
  if (!input.is(Kind::integer) && !input.is(Kind::boolean)) {
    throw RuntimeError(fmt::format("an integer was expected, not {}", type_name(input)));
  }
  if (divisor == 0) throw RuntimeError("division by zero");
  return divisor == -1 ? 0 : input.integer() % divisor;
}

PITH_PLAIN_TEST(is_boolean, input.is(Kind::boolean))
PITH_PLAIN_TEST(is_callable, input.is(Kind::callable) || input.is(Kind::loop))
PITH_PLAIN_TEST(is_defined, !input.is(Kind::undefined))
PITH_PLAIN_TEST(is_even, remainder(input, 2) == 0)
PITH_PLAIN_TEST(is_false, input.is(Kind::boolean) && !input.boolean())
PITH_PLAIN_TEST(is_float, input.is(Kind::number))
PITH_PLAIN_TEST(is_integer, input.is(Kind::integer))
PITH_PLAIN_TEST(is_iterable, input.is(Kind::string) || input.is(Kind::sequence) ||
                                 input.is(Kind::dict) || input.is(Kind::undefined))
PITH_PLAIN_TEST(is_lower, all_of_class(text_of(evaluator, input), SymbolClass::lower))
PITH_PLAIN_TEST(is_mapping, input.is(Kind::dict))
PITH_PLAIN_TEST(is_none, input.is(Kind::none))
PITH_PLAIN_TEST(is_number, input.is_number())
PITH_PLAIN_TEST(is_odd, remainder(input, 2) != 0)
PITH_PLAIN_TEST(is_sequence, input.is(Kind::string) || input.is(Kind::sequence) ||
                                 input.is(Kind::dict) || input.is(Kind::undefined))
PITH_PLAIN_TEST(is_string, input.is(Kind::string))
PITH_PLAIN_TEST(is_true, input.is(Kind::boolean) && input.boolean())
PITH_PLAIN_TEST(is_undefined, input.is(Kind::undefined))
PITH_PLAIN_TEST(is_upper, all_of_class(text_of(evaluator, input), SymbolClass::upper))

PITH_TEST(is_divisible) {
  const Value& divisor = other(arguments);
  if (!divisor.is(Kind::integer)) throw RuntimeError("divisibleby needs an integer");
  return remainder(input, divisor.integer()) == 0;
}
PITH_TEST(is_same) {
  const Value& that = other(arguments);
  if (input.kind() != that.kind()) return false;
  if (input.identity() != nullptr && !input.is(Kind::string))
    return input.identity() == that.identity();
  return evaluator.is_equal(
      input, that);  // Python's small integers and literals are the same object when they are equal
}
PITH_TEST(is_in) { return evaluator.contains(other(arguments), input); }
PITH_TEST(is_eq) { return evaluator.is_equal(input, other(arguments)); }
PITH_TEST(is_ne) { return !evaluator.is_equal(input, other(arguments)); }
PITH_TEST(is_lt) { return order(evaluator, input, arguments) < 0; }
PITH_TEST(is_le) { return order(evaluator, input, arguments) <= 0; }
PITH_TEST(is_gt) { return order(evaluator, input, arguments) > 0; }
PITH_TEST(is_ge) { return order(evaluator, input, arguments) >= 0; }

bool is_filter(Evaluator& evaluator, const Value& input, const Arguments& arguments) {
  Binder("filter", arguments).finish();
  return find_filter(text_of(evaluator, input)) != nullptr;
}

constexpr std::array kTests = {
    NamedFunction<Test>{"boolean", is_boolean},
    NamedFunction<Test>{"callable", is_callable},
    NamedFunction<Test>{"defined", is_defined},
    NamedFunction<Test>{"divisibleby", is_divisible},
    NamedFunction<Test>{"eq", is_eq},
    NamedFunction<Test>{"equalto", is_eq},
    NamedFunction<Test>{"==", is_eq},
    NamedFunction<Test>{"even", is_even},
    NamedFunction<Test>{"false", is_false},
    NamedFunction<Test>{"filter", is_filter},
    NamedFunction<Test>{"float", is_float},
    NamedFunction<Test>{"ge", is_ge},
    NamedFunction<Test>{">=", is_ge},
    NamedFunction<Test>{"greaterthan", is_gt},
    NamedFunction<Test>{"gt", is_gt},
    NamedFunction<Test>{">", is_gt},
    NamedFunction<Test>{"in", is_in},
    NamedFunction<Test>{"integer", is_integer},
    NamedFunction<Test>{"iterable", is_iterable},
    NamedFunction<Test>{"le", is_le},
    NamedFunction<Test>{"<=", is_le},
    NamedFunction<Test>{"lessthan", is_lt},
    NamedFunction<Test>{"lower", is_lower},
    NamedFunction<Test>{"lt", is_lt},
    NamedFunction<Test>{"<", is_lt},
    NamedFunction<Test>{"mapping", is_mapping},
    NamedFunction<Test>{"ne", is_ne},
    NamedFunction<Test>{"!=", is_ne},
    NamedFunction<Test>{"none", is_none},
    NamedFunction<Test>{"number", is_number},
    NamedFunction<Test>{"odd", is_odd},
    NamedFunction<Test>{"sameas", is_same},
    NamedFunction<Test>{"sequence", is_sequence},
    NamedFunction<Test>{"string", is_string},
    NamedFunction<Test>{"true", is_true},
    NamedFunction<Test>{"undefined", is_undefined},
    NamedFunction<Test>{"upper", is_upper},
};

}  // namespace

Test find_test(std::string_view name) {
  const auto found = std::find_if(kTests.begin(), kTests.end(),
                                  [&](const auto& entry) { return entry.name == name; });
  return found == kTests.end() ? nullptr : found->function;
}

std::string test_names() {
  std::string names;
  for (const auto& entry : kTests)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", entry.name);
  return names;
}

}  // namespace pith::jinja
