// The page's HTML, style and script, compiled in from probe_page.html so that the binary can be
// moved. Generated code defines it (probe_page_html.cpp.in).
#pragma once

#include <string_view>

namespace pith::cli {

extern const std::string_view kProbePage;

}  // namespace pith::cli
