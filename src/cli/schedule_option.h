// The option --when, which several commands share (engine/schedule.h says what it means).
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "engine/schedule.h"

namespace pith::cli {

// Other schedules than those of `allowed` are wrong usage.
void add_schedule_option(CLI::App& command, std::string& schedule, const std::string& kinds,
                         const std::vector<When>& allowed);

}  // namespace pith::cli
