#include "eval/line_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/files.h"

namespace pith::eval {
namespace {

constexpr Index kLargestFile = Index{1} << 34;

}  // namespace

void for_each_whole_line(const std::filesystem::path& path,
                         const std::function<void(std::string_view)>& each) {
  const std::string text = read_file(path, kLargestFile);
  Index number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = text.find('\n', begin);
    if (end == std::string::npos) break;
    ++number;
    try {
      each(std::string_view(text).substr(begin, end - begin));
    } catch (const Error& error) {
      fail(ErrorCode::bad_file, fmt::format("{}:{}: {}", path.string(), number, error.what()));
    }
    begin = end + 1;
  }
}

std::vector<std::filesystem::path> line_files(const std::filesystem::path& folder,
                                              std::string_view prefix, std::string_view pieces) {
  std::vector<std::filesystem::path> files;
  const auto collect = [&](const std::filesystem::path& from, std::string_view begins) {
    if (!std::filesystem::is_directory(from)) return;
    for (const auto& entry : std::filesystem::directory_iterator(from))
      if (entry.path().extension() == ".jsonl" &&
          entry.path().filename().string().starts_with(begins))
        files.push_back(entry.path());
  };
  collect(folder, prefix);
  collect(folder / pieces, "");
  std::sort(files.begin(), files.end());
  return files;
}

LineFile::LineFile(const std::filesystem::path& path) : path_(path) {
  make_folder(path.parent_path());
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0)
    fail(ErrorCode::io, fmt::format("cannot write {}: {}", path.string(), std::strerror(errno)));
  // Released by the system even if we are killed.
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    ::close(descriptor_);
    fail(ErrorCode::io, fmt::format("another process is writing {}; wait for it, or share the work "
                                    "with --shard I/N",
                                    path.string()));
  }
  const std::string text = read_file(path, kLargestFile);
  const auto end = text.rfind('\n');
  if (const auto whole = end == std::string::npos ? 0 : end + 1; whole != text.size())
    std::filesystem::resize_file(path, whole);
}

LineFile::~LineFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void LineFile::add(std::string_view text) {
  const std::string line = std::string(text) + "\n";
  std::string_view left = line;
  while (!left.empty()) {
    const ssize_t written = ::write(descriptor_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      fail(ErrorCode::io, fmt::format("cannot write {}: {}; free some space and run the same "
                                      "command again, it goes on from here",
                                      path_.string(), std::strerror(errno)));
    left.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace pith::eval
