// Pieces that several filters, tests and methods share. Private to the library of templates.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/evaluator.h"
#include "text/jinja/library.h"

namespace pith::jinja {

template <typename Function>
struct NamedFunction {
  std::string_view name;
  Function function;
};

// The text of a value that a string function works on; spends what looking at it costs.
std::string text_of(Evaluator& evaluator, const Value& value);

// Python's old format operator: %s %r %d %i %f %x %%, with flags, width and precision.
std::string percent_format(Evaluator& evaluator, std::string_view format, const List& values);

// The value at a dotted path such as "function.name"; integers index lists. `fallback` stands in
// where a step finds nothing.
Value follow_path(Evaluator& evaluator, Value value, std::string_view path,
                  const Value* fallback = nullptr);

std::string join_texts(Evaluator& evaluator, const List& items, std::string_view separator,
                       std::string_view path);

// Filters by topic, as filters.cpp lists them.
#define PITH_FILTER(name) \
  Value name(Evaluator& evaluator, const Value& input, const Arguments& arguments)
namespace filters {
PITH_FILTER(batch);
PITH_FILTER(dictsort);
PITH_FILTER(first);
PITH_FILTER(groupby);
PITH_FILTER(items);
PITH_FILTER(join);
PITH_FILTER(last);
PITH_FILTER(length);
PITH_FILTER(list);
PITH_FILTER(map);
PITH_FILTER(max);
PITH_FILTER(min);
PITH_FILTER(reject);
PITH_FILTER(rejectattr);
PITH_FILTER(reverse);
PITH_FILTER(select);
PITH_FILTER(selectattr);
PITH_FILTER(slice);
PITH_FILTER(sort);
PITH_FILTER(sum);
PITH_FILTER(unique);
}  // namespace filters

}  // namespace pith::jinja
