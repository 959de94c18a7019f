// The tables that pith eval prints of its metrics. It measures nothing.
#pragma once

#include <span>
#include <string>

#include "eval/metrics.h"

namespace pith::cli {

// One line per task and arm, twins left out.
std::string arms_table(std::span<const eval::ArmMetrics> arms);
// One line per task, arm and twin: what the arm has over it. Empty when there are no twins.
std::string twins_table(std::span<const eval::ArmMetrics> arms);

}  // namespace pith::cli
