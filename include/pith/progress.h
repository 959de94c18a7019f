// Progress: what a long call tells while it works, and how it is told to give up.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace pithkv {

// Called on the calling thread with what is being done ("reading", "replaying", "choosing" by
// `auto`, "compressing"), how much of it is done, and how much there is, in tokens, ratios or
// steps. Return false to give up: the call then throws Error cancelled. What this throws leaves the
// call, too. It must not call the engine that is working (Error bad_input).
using OnProgress = std::function<bool(std::string_view what, std::int64_t done, std::int64_t all)>;

}  // namespace pithkv
