// Sizes as people write them on a command line: 64MiB, 512 KiB, 1000000. Budgets of recipes have
// their own grammar.
#pragma once

#include <string_view>

#include "base/types.h"

namespace pith::cli {

// Bytes. `option` is named in the message. Throws bad_input.
Index parse_bytes(std::string_view option, std::string_view text);

}  // namespace pith::cli
