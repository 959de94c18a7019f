// Errors: bad input throws pith::Error with a sentence for its reader; a broken promise inside pith
// aborts with values. It is not a logging facility: nothing here prints unless the process is about
// to end.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace pith {

enum class ErrorCode {
  bad_file,     // damaged, truncated or hostile file
  bad_model,    // a sound file whose content this engine cannot run
  bad_recipe,   // unknown part, key or value; an impossible combination
  bad_budget,   // a budget that no plan can meet
  bad_input,    // text, request or option at fault
  not_found,    // a file, model or name that is not there
  io,           // the disk or the network failed
  unsupported,  // known, but not on this machine or build
  cancelled,    // given up on request, before it was done
};
std::string_view to_string(ErrorCode code);

// Thrown for anything that a user can cause. `what()` says what, where, what was expected and what
// to do, in one line.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

[[noreturn]] void fail(ErrorCode code, const std::string& message);
[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               const std::string& detail);

}  // namespace pith

// Aborts with the condition and `detail` (a std::string expression, evaluated only on failure). For
// programmer errors only.
#define PITH_CHECK(condition, detail) \
  ((condition) ? void(0) : ::pith::check_failed(#condition, __FILE__, __LINE__, (detail)))
