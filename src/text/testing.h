// What the tests of this layer share: where models lie, and golden files. It is not part of the
// library.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/files.h"

namespace pith::testing {

// models.json's file of this name in $PITH_MODELS, or in ~/.cache/pith/models.
inline std::filesystem::path model_path(const std::string& name) {
  const char* folder = std::getenv("PITH_MODELS");
  const char* home = std::getenv("HOME");
  const std::filesystem::path base =
      folder ? std::filesystem::path(folder)
             : std::filesystem::path(home ? home : ".") / ".cache/pith/models";
  return base / (name + ".gguf");
}

inline std::filesystem::path golden_path(const std::string& name) {
  return std::filesystem::path(PITH_SOURCE_DIR) / "tests/golden" / name;
}

inline std::vector<nlohmann::ordered_json> read_json_lines(const std::filesystem::path& path) {
  std::vector<nlohmann::ordered_json> lines;
  std::istringstream text(read_file(path));
  for (std::string line; std::getline(text, line);) {
    if (!line.empty()) lines.push_back(nlohmann::ordered_json::parse(line));
  }
  return lines;
}

inline std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

}  // namespace pith::testing
