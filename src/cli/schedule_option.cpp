#include "cli/schedule_option.h"

namespace pith::cli {

void add_schedule_option(CLI::App& command, std::string& schedule, const std::string& kinds) {
  command.add_option("--when", schedule, "When the recipe runs: " + kinds)
      ->capture_default_str()
      ->type_name("SCHEDULE");
}

}  // namespace pith::cli
