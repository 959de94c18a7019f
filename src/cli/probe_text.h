// A probe report for a terminal: tables per recipe. It computes nothing; docs/diagnostics.md
// explains the columns.
#pragma once

#include "probe/report.h"

namespace pith::cli {

void put_probe(const probe::Report& report, bool layers);

}  // namespace pith::cli
