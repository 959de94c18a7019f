// The guard's tables as they were when this binary was built (guards.json). It is text, not yet
// parsed.
#pragma once

#include <string_view>

namespace pith::engine {

extern const std::string_view kGuardsJson;

}  // namespace pith::engine
