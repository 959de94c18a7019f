// The page's parts as they were when this binary was built: report.html with places for the others,
// report.css, report.js.
#pragma once

#include <string_view>

namespace pith::eval {

extern const std::string_view kReportHtml, kReportCss, kReportJs;

}  // namespace pith::eval
