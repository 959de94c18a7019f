#include "hub/partial.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include "base/error.h"
#include "base/files.h"

namespace pith::hub {
namespace {

[[noreturn]] void fail_errno(const char* action, const std::filesystem::path& path) {
  fail(ErrorCode::io, fmt::format("cannot {} {}: {}", action, path.string(), std::strerror(errno)));
}

std::filesystem::path beside(const std::filesystem::path& path, const char* suffix) {
  auto result = path;
  result += suffix;
  return result;
}

}  // namespace

PartialFile::PartialFile(const std::filesystem::path& final_path, const std::string& source)
    : final_path_(final_path),
      path_(beside(final_path, ".part")),
      notes_path_(beside(final_path, ".part.notes")),
      source_(source) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_errno("write", path_);
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0) fail_errno("read", path_);
  size_ = static_cast<Index>(info.st_size);
  load_notes();
}

PartialFile::~PartialFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// The notes begin with the source; then each line is a size, a space and the text.
void PartialFile::load_notes() {
  std::string text;
  if (std::filesystem::exists(notes_path_)) text = read_file(notes_path_, 1 << 20);
  std::string_view rest = text;
  const auto next_line = [&] {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return line;
  };
  if (next_line() != source_) {
    truncate(0);
    return;
  }
  while (!rest.empty()) {
    const std::string_view line = next_line();
    const std::size_t space = std::min(line.find(' '), line.size());
    Index size = -1;
    std::from_chars(line.data(), line.data() + space, size);
    if (size < 0 || size > size_ || space == line.size()) return;
    notes_.push_back({size, std::string(line.substr(space + 1))});
  }
}

void PartialFile::save_notes() const {
  FileWriter out(notes_path_);
  out.write(source_ + "\n");
  for (const Note& note : notes_) out.write(fmt::format("{} {}\n", note.size, note.text));
  out.commit();
}

void PartialFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(descriptor_, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail_errno("write", path_);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
    size_ += done;
  }
}

void PartialFile::note(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '\r') c = ' ';
  if (::fsync(descriptor_) != 0) fail_errno("write", path_);
  notes_.push_back({size_, std::move(text)});
  save_notes();
}

void PartialFile::truncate(Index size) {
  std::erase_if(notes_, [&](const Note& note) { return size == 0 || note.size > size; });
  save_notes();
  if (::ftruncate(descriptor_, size) != 0) fail_errno("write", path_);
  size_ = size;
}

void PartialFile::commit() {
  if (::fsync(descriptor_) != 0) fail_errno("write", path_);
  if (::rename(path_.c_str(), final_path_.c_str()) != 0) fail_errno("write", final_path_);
  ::unlink(notes_path_.c_str());
}

void PartialFile::discard() {
  ::unlink(path_.c_str());
  ::unlink(notes_path_.c_str());
}

PullLock::PullLock(const std::filesystem::path& final_path) : path_(beside(final_path, ".lock")) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_errno("write", path_);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const bool taken = errno == EWOULDBLOCK;
  const std::string cause = std::strerror(errno);
  ::close(descriptor_);
  fail(ErrorCode::io,
       taken ? fmt::format("another process is already pulling {}; wait until it is done",
                           final_path.filename().string())
             : fmt::format("cannot lock {}: {}", path_.string(), cause));
}

// The lock goes with the descriptor. Its file stays: removing it would let two processes hold locks
// on two files of that name.
PullLock::~PullLock() { ::close(descriptor_); }

void require_space(const std::filesystem::path& folder, Index bytes) {
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  if (error)
    fail(ErrorCode::io,
         fmt::format("cannot ask for the free space of {}: {}", folder.string(), error.message()));
  if (bytes <= 0 || space.available >= static_cast<std::uintmax_t>(bytes)) return;
  fail(ErrorCode::io,
       fmt::format("not enough disk space in {}: {:.0f} MB are needed, {:.0f} MB are free; free "
                   "some or set PITH_MODELS to a folder on another disk",
                   folder.string(), static_cast<double>(bytes) / 1e6,
                   static_cast<double>(space.available) / 1e6));
}

}  // namespace pith::hub
