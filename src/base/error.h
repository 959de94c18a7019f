// Errors: bad input throws pith::Error with a sentence for its reader; a broken promise inside pith
// aborts with values. It is not a logging facility: nothing here prints unless the process is about
// to end.
#pragma once

#include <string>

#include "pith/error.h"

namespace pith {

using pithkv::Error;  // thrown for anything that a user can cause
using pithkv::ErrorCode;

[[noreturn]] void fail(ErrorCode code, const std::string& message);
[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               const std::string& detail);

}  // namespace pith

// Aborts with the condition and `detail` (a std::string expression, evaluated only on failure). For
// programmer errors only.
#define PITH_CHECK(condition, detail) \
  ((condition) ? void(0) : ::pith::check_failed(#condition, __FILE__, __LINE__, (detail)))
