// The curves of a report's series, from its arms. Pure.
#pragma once

#include "probe/report.h"

namespace pith::probe {

// Fills cliffs and susceptibilities. Series without a grid get none (nan).
void finish_series(Report& report);

}  // namespace pith::probe
