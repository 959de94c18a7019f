// Finds the real models that tests use, where `pith pull` puts them. It never fetches anything.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace pith::test {

// The path of a model's file, or an empty path when it is not on this machine.
inline std::filesystem::path find_model(const std::string& name) {
  std::filesystem::path folder;
  if (const char* models = std::getenv("PITH_MODELS"); models && *models)
    folder = models;
  else if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache)
    folder = std::filesystem::path(cache) / "pith/models";
  else if (const char* home = std::getenv("HOME"))
    folder = std::filesystem::path(home) / ".cache/pith/models";
  const auto path = folder / (name + ".gguf");
  return std::filesystem::exists(path) ? path : std::filesystem::path();
}

}  // namespace pith::test
