// Golden data: what oracles answered, and what pith did before (tests/golden/README.md).
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/files.h"

namespace pith::test {

inline std::filesystem::path golden_path(const std::string& name) {
  return std::filesystem::path(PITH_SOURCE_DIR) / "tests/golden" / name;
}

inline std::vector<nlohmann::ordered_json> golden_lines(const std::string& name) {
  std::vector<nlohmann::ordered_json> lines;
  std::istringstream text(read_file(golden_path(name)));
  for (std::string line; std::getline(text, line);)
    if (!line.empty()) lines.push_back(nlohmann::ordered_json::parse(line));
  return lines;
}

}  // namespace pith::test
