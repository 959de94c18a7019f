// The page's HTML, style and script, compiled in from probe_page.html so that the binary can be
// moved..
#pragma once

#include <string_view>

namespace pith::cli {

extern const std::string_view kProbePage;

}  // namespace pith::cli
