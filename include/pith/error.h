// Error: what a caller, a file or the machine can be at fault for, with a code for programs and a
// sentence for people. It is thrown, never returned; a broken promise inside pith is no Error and
// aborts. Besides Error, calls throw what the standard library does (std::bad_alloc).
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "pith/export.h"

namespace pithkv {

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
PITH_API std::string_view to_string(ErrorCode code);  // as it is written above

// `what()` says what, where, what was expected and what to do, in one line. A call that throws it
// has changed nothing.
class PITH_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace pithkv
