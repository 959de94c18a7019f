// Answer: a text that a model wrote, and why it ended. Who writes it is told in context.h and
// conversation.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pith/export.h"

namespace pithkv {

using Token = std::int32_t;  // an id of the model's vocabulary

enum class StopReason {
  end_of_text,   // the model ended it
  stop_string,   // one of the caller's stop strings came
  max_tokens,    // as many as were asked for
  context_full,  // the model's range ends here
  cancelled,     // the caller's OnText returned false
};
PITH_API std::string_view to_string(StopReason reason);  // as it is written above

struct Answer {
  std::string text = {};           // UTF-8, without stop string and end token
  std::vector<Token> tokens = {};  // the end token included if there was one
  StopReason stop_reason = StopReason::end_of_text;
  double seconds = 0;  // of decoding
};

// Called with each piece of a text as it is written; whole UTF-8 symbols. Return false to end the
// answer there. What it throws ends it likewise, and is then thrown by the call that answers. It
// must not call the engine that is writing (Error bad_input).
using OnText = std::function<bool(std::string_view)>;

}  // namespace pithkv
