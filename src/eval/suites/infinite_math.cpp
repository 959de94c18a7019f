// InfiniteBench's computing tasks: math_find, math_calc, code_run. The published prompts put the
// question before the text; here the text comes first, so that it can be compressed without it.
#include <fmt/ranges.h>

#include <algorithm>

#include "eval/suites/infinite.h"

namespace pith::eval::infinite {
namespace {

constexpr Index kFunctions = 550;  // published
constexpr Index kDepth = 10;

// f(x) = x + add, or callee(x) + add.
struct Function {
  Index name = 0;
  Index callee = -1;  // index into the functions, or -1
  Index add = 0;
};

// Levels of equal size: each function calls one of the next level, the last level none.
std::vector<Function> draw_functions(Rng rng, Index n) {
  const Index width = n / kDepth;
  std::vector<Function> functions;
  const auto names = sample(rng, 2 * n, n);
  for (Index i = 0; i < n; ++i) {
    const Index level = std::min(i / width, kDepth - 1);
    Function function{names[static_cast<std::size_t>(i)] + 1, -1, between(rng, -12, 17)};
    if (level + 1 < kDepth) {
      const Index from = (level + 1) * width, to = level + 2 == kDepth ? n : from + width;
      function.callee = from + rng.below(to - from);
    }
    functions.push_back(function);
  }
  return functions;
}

struct Module {
  std::string text;
  std::vector<TextSpan> places;  // of the functions
};

Module write_module(const std::vector<Function>& functions) {
  std::vector<std::size_t> order(functions.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](auto a, auto b) { return functions[a].name < functions[b].name; });
  Module module{"Following is a set of Python functions.\n\n", {}};
  module.places.resize(functions.size());
  for (const std::size_t i : order) {
    const Function& f = functions[i];
    const auto begin = static_cast<Index>(module.text.size());
    const std::string value =
        f.callee < 0
            ? "x"
            : fmt::format("func_{}(x)", functions[static_cast<std::size_t>(f.callee)].name);
    const std::string add = f.add == 0  ? ""
                            : f.add < 0 ? fmt::format(" - {}", -f.add)
                                        : fmt::format(" + {}", f.add);
    module.text += fmt::format("def func_{}(x):\n    return {}{}", f.name, value, add);
    module.places[i] = {begin, static_cast<Index>(module.text.size())};
    module.text += "\n\n";
  }
  return module;
}

std::string list_of(const std::vector<Index>& numbers, Index n) {
  return fmt::format("[{}]\n", fmt::join(numbers.begin(), numbers.begin() + n, ", "));
}

}  // namespace

Document make_math_find(const Request& request) {
  Rng rng = request.rng();
  // Published lists narrow the range at the end that is asked about; here one list serves all.
  const Index low = rng.below(20), high = 79 + rng.below(21);
  std::vector<Index> numbers;
  const auto build = [&](Index half) {
    const Index n = 2 * half + 1;  // odd: the median is one of them
    while (static_cast<Index>(numbers.size()) < n) numbers.push_back(between(rng, low, high));
    return "Below is a list of numbers.\n\n" + list_of(numbers, n);
  };
  const Index half = fit_units(16, request.length(), "thirty-three numbers", build);
  Document document = new_document(request);
  document.text = build(half);
  numbers.resize(static_cast<std::size_t>(2 * half + 1));
  std::sort(numbers.begin(), numbers.end());
  const Index median = numbers[static_cast<std::size_t>(half)];
  const std::size_t length = numbers.size();
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  const std::size_t last = numbers.size() - 1;
  const std::pair<std::string_view, Index> asked[] = {{"largest number", numbers[last]},
                                                      {"second largest number", numbers[last - 1]},
                                                      {"third largest number", numbers[last - 2]},
                                                      {"smallest number", numbers[0]},
                                                      {"second smallest number", numbers[1]},
                                                      {"third smallest number", numbers[2]},
                                                      {"median number", median}};
  for (const auto& [what, answer] : asked) {
    Item& item = add_item(document, request);
    item.question = fmt::format(
        "What is the {} in the list above? You should answer with only one "
        "number, no other words.",
        what);
    item.answer_prefix = fmt::format("The {} of the list is:", what);
    item.references = {{std::to_string(answer), {}}};
    if (what != "median number")
      item.references[0].spans = find_words(document.text, item.references[0].text);
    item.metric = Metric::first_integer;
    item.cut = Cut::whole;
    item.max_tokens = 3;
    item.tags = {{"asks", std::string(what)},
                 {"numbers", std::to_string(length)},
                 {"numbers_published", "60000"}};
  }
  return document;
}

Document make_math_calc(const Request& request) {
  Rng rng = request.rng();
  constexpr Index kValues = 32;
  std::string text = "Below is a long expression.\n\n";
  std::vector<std::size_t> ends;
  std::vector<Index> values;
  const auto build = [&](Index terms) {
    while (static_cast<Index>(ends.size()) < terms) {
      if (values.empty()) {
        values.push_back(rng.below(100));
        text += std::to_string(values.back());
      } else {  // values stay between 0 and 99
        const Index value = values.back();
        const bool plus = rng.below(2) == 0;
        const Index term = rng.below((plus ? 99 - value : value) + 1);
        values.push_back(plus ? value + term : value - term);
        text += fmt::format(" {} {}", plus ? '+' : '-', term);
      }
      ends.push_back(text.size());
    }
    return text.substr(0, ends[static_cast<std::size_t>(terms - 1)]) + "\n";
  };
  const Index terms = fit_units(kValues + 1, request.length(), "thirty-three terms", build);
  Document document = new_document(request);
  document.text = build(terms);
  Item& item = add_item(document, request);
  item.question = fmt::format(
      "Calculate the expression step by step and write only the value after each operation: for 1 "
      "+ "
      "3 + 10 - 8 that would be 4, 14, 6. Give the first {} values.",
      kValues);
  for (Index i = 1; i <= kValues; ++i)
    item.references.push_back({std::to_string(values[static_cast<std::size_t>(i)]), {}});
  item.metric = Metric::prefix;
  item.cut = Cut::whole;
  item.max_tokens = 5 * kValues;
  item.tags = {{"terms", std::to_string(terms)},
               {"terms_published", "30000"},
               {"values", std::to_string(kValues)}};
  return document;
}

Document make_code_run(const Request& request) {
  Rng rng = request.rng();
  const Rng functions_rng(rng.next());
  const Index n = fit_units(kDepth, request.length(), "ten functions", [&](Index count) {
    return write_module(draw_functions(functions_rng, count)).text;
  });
  const auto functions = draw_functions(functions_rng, n);
  const Module module = write_module(functions);
  Document document = new_document(request);
  document.text = module.text;
  const Index width = n / kDepth;
  for (Index depth = 2; depth <= kDepth; depth += 2) {
    Index at = (kDepth - depth) * width + rng.below(width);
    const Index x = between(rng, -10, 10);
    const std::string call =
        fmt::format("func_{}({})", functions[static_cast<std::size_t>(at)].name, x);
    Item& item = add_item(document, request);
    item.question = fmt::format(
        "Please give me the exact number of the return value of {}. Be concise. Your response must "
        "end with the final returned value.",
        call);
    item.answer_prefix = fmt::format("The value of {} is", call);
    Index value = x;
    for (; at >= 0; at = functions[static_cast<std::size_t>(at)].callee) {
      item.support.push_back(module.places[static_cast<std::size_t>(at)]);
      value += functions[static_cast<std::size_t>(at)].add;
    }
    item.references = {{std::to_string(value), {}}};
    item.metric = Metric::last_integer;
    item.cut = Cut::whole;
    item.max_tokens = 5;
    item.tags = {{"hops", std::to_string(depth)},
                 {"functions", std::to_string(n)},
                 {"functions_published", std::to_string(kFunctions)}};
  }
  return document;
}

}  // namespace pith::eval::infinite
