// The filters, tests, methods and global functions of templates. The evaluator calls them; they
// hold no state.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/ast.h"

namespace pith::jinja {

Filter find_filter(std::string_view name);  // null where there is none
Test find_test(std::string_view name);
std::string filter_names();
std::string test_names();

// The bound method `object.name`, or undefined where pith has none of this name for the object's
// type.
Value find_method(const Value& object, std::string_view name);

// range, dict, namespace, raise_exception, strftime_now ...; null where there is none.
const Value* find_global(std::string_view name);

// Takes named or positional arguments as Python binds them, and refuses surplus ones.
class Binder {
 public:
  Binder(std::string_view function, const Arguments& arguments)
      : function_(function), arguments_(arguments) {}
  const Value* optional(std::string_view name);  // the next positional argument, or the one of this
                                                 // name; null when missing
  const Value& required(std::string_view name);
  std::int64_t integer(std::string_view name, std::int64_t fallback);
  bool boolean(std::string_view name, bool fallback);
  std::string text(std::string_view name, std::string_view fallback);
  void finish() const;

 private:
  std::string_view function_;
  const Arguments& arguments_;
  std::size_t position_ = 0;
  std::size_t named_used_ = 0;
};

}  // namespace pith::jinja
