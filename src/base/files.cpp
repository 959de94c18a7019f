#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <utility>

#include "base/error.h"

namespace pith {
namespace {

constexpr std::size_t kWriteBuffer = std::size_t{1} << 20;

// What to do about it, in a few words; "" where the cause says it.
std::string_view remedy(std::string_view action, int error) {
  const bool writes = action == "write";
  if (error == ENOENT && writes) return "; make its folder first, or name another one";
  if (error == ENOENT) return "; check the path (a relative one counts from the current folder)";
  if (error == EACCES || error == EPERM || error == EROFS)
    return writes ? "; name a folder that you may write to" : "; ask its owner for the right to";
  if (error == ENOSPC || error == EDQUOT) return "; free some space, or name another disk";
  return "";
}

[[noreturn]] void fail_errno(const char* action, const std::filesystem::path& path, int error) {
  const auto code = error == ENOENT ? ErrorCode::not_found : ErrorCode::io;
  fail(code, fmt::format("cannot {} {}: {}{}", action, path.string(), std::strerror(error),
                         remedy(action, error)));
}

[[noreturn]] void refuse_folder(const std::filesystem::path& path) {
  fail(ErrorCode::bad_input, fmt::format("{} is a folder; a file was expected", path.string()));
}

struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

}  // namespace

MappedFile MappedFile::open(const std::filesystem::path& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0) fail_errno("open", path, errno);
  struct stat info {};
  if (::fstat(file.value, &info) != 0) fail_errno("read", path, errno);
  if (S_ISDIR(info.st_mode)) refuse_folder(path);
  MappedFile mapped;
  mapped.size_ = static_cast<std::size_t>(info.st_size);
  if (mapped.size_ == 0) return mapped;
  void* address = ::mmap(nullptr, mapped.size_, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (address == MAP_FAILED) {
    mapped.size_ = 0;
    fail_errno("map", path, errno);
  }
  mapped.data_ = static_cast<const std::byte*>(address);
  return mapped;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

std::string read_file(const std::filesystem::path& path, Index limit) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0) fail_errno("open", path, errno);
  std::string text;
  for (;;) {
    const std::size_t old = text.size();
    const std::size_t step = std::size_t{1} << 18;
    text.resize(old + step);
    const ssize_t got = ::read(file.value, text.data() + old, step);
    if (got < 0 && errno == EINTR) {
      text.resize(old);
      continue;
    }
    if (got < 0) fail_errno("read", path, errno);
    text.resize(old + static_cast<std::size_t>(got));
    if (static_cast<Index>(text.size()) > limit)
      fail(ErrorCode::bad_input, fmt::format("{} is larger than the {} bytes that can be read here",
                                             path.string(), limit));
    if (got == 0) return text;
  }
}

FileWriter::FileWriter(const std::filesystem::path& path) : path_(path) {
  std::error_code unknown;
  if (std::filesystem::is_directory(path_, unknown)) refuse_folder(path_);
  // Several may write one file, and processes of two containers may have one number: nobody takes
  // the other's, and the last to commit stays.
  std::random_device random;
  do {
    temporary_ = path_;
    temporary_ += fmt::format(".{}.{:08x}.part", ::getpid(), random());
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) fail_errno("write", path_, errno);
  buffer_.reserve(kWriteBuffer);
}

FileWriter::~FileWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void FileWriter::flush() {
  write_now(buffer_);
  buffer_.clear();
}

void FileWriter::write_now(std::string_view left) {
  while (!left.empty()) {
    const ssize_t done = ::write(descriptor_, left.data(), left.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail_errno("write", path_, errno);
    left.remove_prefix(static_cast<std::size_t>(done));
  }
}

void FileWriter::write(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  size_ += static_cast<Index>(bytes.size());
  if (buffer_.size() + text.size() > kWriteBuffer) flush();
  if (text.size() >= kWriteBuffer)
    write_now(text);  // a layer of a cache, say: there need not be two of it in memory
  else
    buffer_ += text;
}

void FileWriter::commit() {
  flush();
  if (::fsync(descriptor_) != 0) fail_errno("write", path_, errno);
  const int descriptor = std::exchange(descriptor_, -1);
  const bool closed = ::close(descriptor) == 0;
  if (!closed || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    fail_errno("write", path_, error);
  }
  auto folder = path_.parent_path();
  if (folder.empty()) folder = ".";
  const Descriptor directory{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory.value >= 0) ::fsync(directory.value);
}

bool is_there(const std::filesystem::path& path) {
  std::error_code error;
  const bool there = std::filesystem::exists(path, error);
  if (error) fail_errno("look for", path, error.value());
  return there;
}

void make_folder(const std::filesystem::path& path) {
  std::error_code error, unknown;
  std::filesystem::create_directories(path, error);
  if (path.empty() || std::filesystem::is_directory(path, unknown)) return;
  if (!error || error == std::errc::file_exists || error == std::errc::not_a_directory)
    fail(ErrorCode::bad_input,
         fmt::format("cannot make the folder {}: there is a file of that name, or of one above it; "
                     "name another folder",
                     path.string()));
  fail(ErrorCode::io, fmt::format("cannot make the folder {}: {}", path.string(), error.message()));
}

void check_writable(const std::filesystem::path& path) {
  std::error_code unknown;
  const auto status = std::filesystem::status(path, unknown);
  if (std::filesystem::is_directory(status)) refuse_folder(path);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    fail(ErrorCode::bad_input, fmt::format("{} is no ordinary file; a file was expected, which is "
                                           "written beside it and then renamed",
                                           path.string()));
  const FileWriter removed_at_once(path);
}

}  // namespace pith
