#include "base/error.h"

#include <cstdio>
#include <cstdlib>

std::string_view pithkv::to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::bad_file:
      return "bad_file";
    case ErrorCode::bad_model:
      return "bad_model";
    case ErrorCode::bad_recipe:
      return "bad_recipe";
    case ErrorCode::bad_budget:
      return "bad_budget";
    case ErrorCode::bad_input:
      return "bad_input";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::io:
      return "io";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::cancelled:
      return "cancelled";
  }
  return "?";
}

namespace pith {

void fail(ErrorCode code, const std::string& message) { throw Error(code, message); }

void check_failed(const char* condition, const char* file, int line, const std::string& detail) {
  std::fprintf(stderr, "pith: broken promise at %s:%d: %s: %s\n", file, line, condition,
               detail.c_str());
  std::abort();
}

}  // namespace pith
