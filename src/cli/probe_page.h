// A probe report as one HTML page that needs nothing else: no library, no request. The drawing is
// done by the page's own script (probe_page.html); this puts the data in.
#pragma once

#include <string>
#include <string_view>

#include "probe/report.h"

namespace pith::cli {

struct PageTitle {
  std::string_view document, model, numerics;
};
std::string probe_page(const probe::Report& report, const PageTitle& title);

}  // namespace pith::cli
