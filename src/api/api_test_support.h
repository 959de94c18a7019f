// A tiny model in a file, loaded through the public API, and what calls are refused with. It tests
// nothing itself.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/files.h"
#include "pith/pith.h"
#include "support/test_folder.h"
#include "support/tiny_model.h"

namespace pithkv::test {

inline constexpr std::string_view kDocument =
    "The code of the shed is HERON-4471. Berit signs for the fuel. The key hangs in the clock. "
    "The ferry leaves at 17:40, and the other one in the evening.";

// Files of one test, in a folder that goes with it.
class ApiTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }

  std::string tiny(std::uint64_t seed = 1) const {
    const std::string path = folder_ / ("tiny" + std::to_string(seed) + ".gguf");
    const auto bytes = pith::test::tiny_model({.seed = seed});
    pith::FileWriter file(path);
    file.write(std::span<const std::byte>(bytes));
    file.commit();
    return path;
  }
  Engine engine(std::uint64_t seed = 1) const { return Engine::load(tiny(seed), {.threads = 2}); }

  const pith::test::TestFolder own_;
  const std::filesystem::path& folder_ = own_.path();
};

// "code: message" of the Error that `body` throws, or "no error".
template <typename Body>
std::string refusal(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return std::string(to_string(error.code())) + ": " + error.what();
  }
  return "no error";
}

}  // namespace pithkv::test
