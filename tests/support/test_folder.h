// A folder of one test's own: not there at first, and gone with this object. A fixture has it as a
// member.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

namespace pith::test {

class TestFolder {
 public:
  TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() { std::filesystem::remove_all(path_); }

  const std::filesystem::path& path() const { return path_; }

 private:
  static std::string name() {
    const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
    std::string name =
        "pith_" + std::to_string(::getpid()) + "_" + test.test_suite_name() + "_" + test.name();
    std::replace(name.begin(), name.end(), '/', '_');  // of tests with parameters
    return name;
  }

  const std::filesystem::path path_ = std::filesystem::path(testing::TempDir()) / name();
};

}  // namespace pith::test
