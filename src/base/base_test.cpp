#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <new>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/byte_stream.h"
#include "base/error.h"
#include "base/files.h"
#include "base/numbers.h"
#include "base/rng.h"
#include "base/thread_pool.h"
#include "support/error_of.h"
#include "support/test_folder.h"

namespace pith {
namespace {

TEST(AlignedBuffer, GrowsAlignedAndStaysWhereItIs) {
  AlignedBuffer<float> buffer;
  EXPECT_EQ(buffer.data(), nullptr);
  float* const place = buffer.reserve(100);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(place) % 64, 0u);
  place[6] = 3;
  EXPECT_EQ(buffer.reserve(7), place);
  EXPECT_EQ(buffer.data()[6], 3);
  EXPECT_EQ(buffer.zeros(7)[6], 0);
}

TEST(Numbers, EveryF16SurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
    const f16 x{static_cast<std::uint16_t>(bits)};
    if (std::isnan(to_float(x))) continue;
    EXPECT_EQ(to_f16(to_float(x)).bits, x.bits);
  }
}

TEST(Numbers, EveryBf16SurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
    const bf16 x{static_cast<std::uint16_t>(bits)};
    if (std::isnan(to_float(x))) continue;
    EXPECT_EQ(to_bf16(to_float(x)).bits, x.bits);
  }
}

TEST(Numbers, TiesRoundToEven) {
  EXPECT_EQ(to_float(to_bf16(1.0f + 0x1p-8f)), 1.0f);
  EXPECT_EQ(to_float(to_bf16(1.0f + 0x3p-8f)), 1.0f + 0x1p-6f);
  EXPECT_EQ(to_float(to_f16(1.0f + 0x1p-11f)), 1.0f);
  EXPECT_TRUE(std::isinf(to_float(to_f16(1e6f))));
}

TEST(ByteStream, GivesBackWhatWasWritten) {
  ByteWriter out;
  out.number<std::uint32_t>(7);
  out.string("abc");
  out.array(std::span<const Index>(std::vector<Index>{1, -2}));
  ByteReader in(std::as_bytes(std::span(out.payload())), "the file", "make it again");
  EXPECT_EQ(in.number<std::uint32_t>(), 7u);
  EXPECT_EQ(in.string(), "abc");
  EXPECT_EQ(in.array<Index>(), (std::vector<Index>{1, -2}));
  in.end();
}

TEST(ByteStream, NeverReadsBeyondItsEnd) {
  ByteWriter out;
  out.number<std::uint64_t>(std::uint64_t{1} << 61);  // times 8 it is 0
  const auto bytes = std::as_bytes(std::span(out.payload()));
  const auto reader = [&] { return ByteReader(bytes, "the file", "make it again"); };
  EXPECT_EQ(test::error_of([&] { reader().string(); }),
            "the file is damaged: it ends early; make it again");
  EXPECT_EQ(test::error_of([&] { reader().array<double>(); }),
            "the file is damaged: an array is longer than what is left; make it again");
  EXPECT_EQ(test::error_of([&] { reader().end(); }),
            "the file is damaged: it has bytes too many; make it again");
}

TEST(ThreadPool, EveryItemRunsOnceOnAnyNumberOfThreads) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 200; ++round) {
      std::vector<std::atomic<int>> seen(37);
      pool.run(37, [&](Index i, int) { ++seen[static_cast<std::size_t>(i)]; });
      for (auto& count : seen) ASSERT_EQ(count, 1);
    }
  }
}

// A worker that sleeps through a loop must neither hold it up nor take from the next one.
TEST(ThreadPool, LoopsThatAreOverBeforeAWorkerWakes) {
  ThreadPool pool(3);
  Index sum = 0;
  for (int round = 0; round < 20000; ++round) {
    std::atomic<Index> items = 0;
    pool.run(2, [&](Index i, int) { items += i + 1; });
    sum += items;
  }
  EXPECT_EQ(sum, 60000);
}

TEST(ThreadPool, StaticItemsKeepTheirThread) {
  ThreadPool pool(3);
  std::vector<int> thread_of(20, -1);
  pool.run_static(20,
                  [&](Index i, int thread) { thread_of[static_cast<std::size_t>(i)] = thread; });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(thread_of[static_cast<std::size_t>(i)], i % 3);
}

TEST(ThreadPool, WhatABodyThrowsReachesTheCallerAndThePoolGoesOn) {
  for (int threads : {1, 3}) {
    ThreadPool pool(threads);
    const auto no_memory = [](Index i, int) {
      if (i >= 5) throw std::bad_alloc();
    };
    for (int round = 0; round < 100; ++round) {
      EXPECT_THROW(pool.run(40, no_memory), std::bad_alloc);
      EXPECT_THROW(pool.run_static(40, no_memory), std::bad_alloc);
      std::atomic<Index> sum = 0;
      pool.run(40, [&](Index i, int) { sum += i; });
      EXPECT_EQ(sum, 780);
    }
  }
}

// Two stacks of 1 GiB fit the address space that is left, four do not.
TEST(ThreadPool, ThreadsThatTheSystemDoesNotGiveAreAnError) {
  pthread_attr_t before, large;
  ASSERT_EQ(::pthread_getattr_default_np(&before), 0);
  ASSERT_EQ(::pthread_getattr_default_np(&large), 0);
  ::pthread_attr_setstacksize(&large, std::size_t{1} << 30);
  Index pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &limit), 0);
  const rlimit small{static_cast<rlim_t>(pages * ::sysconf(_SC_PAGESIZE)) + (rlim_t{5} << 29),
                     limit.rlim_max};
  ::pthread_setattr_default_np(&large);
  ::setrlimit(RLIMIT_AS, &small);
  const std::string error = test::error_of([] { ThreadPool pool(5); });
  ::setrlimit(RLIMIT_AS, &limit);
  ::pthread_setattr_default_np(&before);
  ::pthread_attr_destroy(&before);
  ::pthread_attr_destroy(&large);
  EXPECT_TRUE(error.starts_with("could start only ")) << error;
  EXPECT_NE(error.find(" of 5 threads ("), std::string::npos) << error;
  EXPECT_NE(error.find("ask for fewer with --threads"), std::string::npos) << error;
}

TEST(Rng, StreamIsFixed) {
  Rng rng(42);
  EXPECT_EQ(rng.next(), 1546998764402558742u);
  EXPECT_EQ(Rng(42).next(), 1546998764402558742u);
}

TEST(Files, NothingAppearsBeforeCommit) {
  const auto path = std::filesystem::temp_directory_path() / "pith_files_test";
  std::filesystem::remove(path);
  {
    FileWriter writer(path);
    writer.write("lost");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  {
    FileWriter writer(path);
    writer.write("kept");
    writer.commit();
  }
  EXPECT_EQ(read_file(path), "kept");
  EXPECT_EQ(MappedFile::open(path).bytes().size(), 4u);
  std::filesystem::remove(path);
}

TEST(Files, TwoWritersOfOneFileDoNotMeet) {
  const auto path = std::filesystem::temp_directory_path() / "pith_two_writers_test";
  FileWriter first(path), second(path);
  first.write("first");
  second.write("second");
  first.commit();
  EXPECT_EQ(read_file(path), "first");
  second.commit();
  EXPECT_EQ(read_file(path), "second");
  std::filesystem::remove(path);
}

// Of another container, whose processes have the same numbers as ours.
TEST(Files, WritersLeaveTheFilesOfAnotherProcessOfTheirNumberAlone) {
  const test::TestFolder own;
  std::filesystem::create_directories(own.path());
  constexpr int kOthers = 500;
  for (int i = 0; i < kOthers; ++i)
    std::ofstream(own.path() /
                  ("file." + std::to_string(::getpid()) + "." + std::to_string(i) + ".part"))
        << "other";
  FileWriter writer(own.path() / "file");
  writer.write("own");
  writer.commit();
  int left = 0;
  for (const auto& entry : std::filesystem::directory_iterator(own.path()))
    left += entry.path().extension() == ".part" && read_file(entry.path()) == "other";
  EXPECT_EQ(left, kOthers);
}

// Spans below and above the buffer of 1 MiB, in turn.
TEST(Files, LargeSpansKeepTheirPlace) {
  const auto path = std::filesystem::temp_directory_path() / "pith_large_spans_test";
  const std::string large(std::size_t{3} << 20, 'x');
  FileWriter writer(path);
  for (const std::string& text : {std::string("a"), large, std::string("b"), large}) {
    writer.write(text);
  }
  writer.commit();
  EXPECT_EQ(read_file(path), "a" + large + "b" + large);
  std::filesystem::remove(path);
}

TEST(Files, WhatCannotBeWrittenIsNamedWithWhatToDo) {
  EXPECT_EQ(test::error_of([] { FileWriter writer("/nonexistent/x"); }),
            "cannot write /nonexistent/x: No such file or directory; make its folder first, or "
            "name another one");
  EXPECT_EQ(test::error_of([] { FileWriter writer("/usr"); }),
            "/usr is a folder; a file was expected");
}

TEST(Files, WhereNothingCanBeWrittenIsSaidBefore) {
  const auto folder = std::filesystem::temp_directory_path() / "pith_writable_test";
  std::filesystem::create_directories(folder);
  EXPECT_NO_THROW(check_writable(folder / "file"));
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  EXPECT_THROW(check_writable(folder / "none" / "file"), Error);
  EXPECT_THROW(check_writable(folder), Error);
  EXPECT_THROW(check_writable("/dev/null"), Error);
  std::filesystem::remove(folder);
}

TEST(Files, AFolderIsNotMadeWhereAFileIs) {
  const auto folder = std::filesystem::temp_directory_path() / "pith_folder_test";
  make_folder(folder / "a" / "b");
  make_folder(folder / "a" / "b");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a" / "b"));
  FileWriter file(folder / "file");
  file.commit();
  EXPECT_THROW(make_folder(folder / "file"), Error);
  EXPECT_THROW(make_folder(folder / "file" / "below"), Error);
  std::filesystem::remove_all(folder);
}

TEST(Files, AMissingFileIsNamed) {
  try {
    read_file("/nonexistent/file");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_STREQ(error.what(),
                 "cannot open /nonexistent/file: No such file or directory; check the path (a "
                 "relative one counts from the current folder)");
  }
}

}  // namespace
}  // namespace pith
