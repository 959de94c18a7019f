#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace pith {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::bad_file:
      return "bad file";
    case ErrorCode::bad_model:
      return "bad model";
    case ErrorCode::bad_recipe:
      return "bad recipe";
    case ErrorCode::bad_budget:
      return "bad budget";
    case ErrorCode::bad_input:
      return "bad input";
    case ErrorCode::not_found:
      return "not found";
    case ErrorCode::io:
      return "i/o";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::cancelled:
      return "cancelled";
  }
  return "error";
}

void fail(ErrorCode code, const std::string& message) { throw Error(code, message); }

void check_failed(const char* condition, const char* file, int line, const std::string& detail) {
  std::fprintf(stderr, "pith: broken promise at %s:%d: %s: %s\n", file, line, condition,
               detail.c_str());
  std::abort();
}

}  // namespace pith
