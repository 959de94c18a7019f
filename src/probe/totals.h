// What a report says in sum: means over the questions of a cache, and the curves of a series. Pure.
#pragma once

#include "probe/report.h"

namespace pith::probe {

// Fills the means over an arm's questions, from `questions`.
void finish_arm(const Report& report, ArmReport& arm);

// Fills cliffs and susceptibilities of all series. Those without a grid get none (nan).
void finish_series(Report& report);

}  // namespace pith::probe
