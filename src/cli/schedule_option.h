// The option --when, which several commands share (engine/schedule.h says what it means).
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "engine/schedule.h"

namespace pith::cli {

void add_schedule_option(CLI::App& command, std::string& schedule, const std::string& kinds);

}  // namespace pith::cli
