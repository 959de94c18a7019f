// The table of models as it was when this binary was built. It is text, not yet parsed.
#pragma once

#include <string_view>

namespace pith::hub {

extern const std::string_view kModelsJson;

}  // namespace pith::hub
