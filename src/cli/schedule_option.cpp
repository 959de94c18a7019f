#include "cli/schedule_option.h"

#include "base/error.h"

namespace pith::cli {
namespace {

constexpr std::string_view kOption = "--when: ";  // the parser says it, too

}  // namespace

void add_schedule_option(CLI::App& command, std::string& schedule, const std::string& kinds,
                         const std::vector<When>& allowed) {
  const auto refusal = [allowed](std::string& text) -> std::string {
    try {
      parse_schedule(text, allowed);
      return "";
    } catch (const Error& error) {
      const std::string_view why = error.what();
      return std::string(why.starts_with(kOption) ? why.substr(kOption.size()) : why);
    }
  };
  command.add_option("--when", schedule, "When the recipe runs: " + kinds)
      ->capture_default_str()
      ->check(CLI::Validator(refusal, ""))
      ->type_name("SCHEDULE");
}

}  // namespace pith::cli
