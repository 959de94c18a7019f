#include "cache/slab_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "base/error.h"

namespace pith::cache {
namespace {

[[noreturn]] void fail_in(const std::filesystem::path& folder, const char* what, int error) {
  fail(ErrorCode::io, fmt::format("{}: {}: {}", folder.string(), what, std::strerror(error)));
}

// A file without a name; file systems that have none get one that is unlinked at once.
int open_unnamed(const std::filesystem::path& folder) {
  const int unnamed = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (unnamed >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return unnamed;
  std::string name = (folder / "cold-XXXXXX").string();
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

}  // namespace

std::byte* map_memory(Index bytes, Index align) {
  const auto size = static_cast<std::size_t>(bytes), step = static_cast<std::size_t>(align);
  void* raw =
      ::mmap(nullptr, size + step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<std::byte*>(raw);
  const std::size_t before = (step - reinterpret_cast<std::uintptr_t>(raw) % step) % step;
  if (before > 0) ::munmap(begin, before);
  ::munmap(begin + before + size, step - before);
  return begin + before;
}

SlabFile::SlabFile(const std::filesystem::path& folder) : folder_(folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail_in(folder, "cannot make the folder", error.value());
  descriptor_ = open_unnamed(folder);
  if (descriptor_ < 0) fail_in(folder, "cannot make a file there", errno);
}

SlabFile::~SlabFile() { ::close(descriptor_); }

SlabFile::Slab SlabFile::map(Index bytes, Index align) {
  int full = EINTR;  // until no signal interrupts it
  while (full == EINTR) full = ::posix_fallocate(descriptor_, end_, bytes);
  if (full != 0) fail_in(folder_, "no room for cold entries", full);
  std::byte* place = map_memory(bytes, align);  // the file takes its place
  const auto size = static_cast<std::size_t>(bytes);
  void* data =
      ::mmap(place, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor_, end_);
  if (data == MAP_FAILED) {
    const int error = errno;
    ::munmap(place, size);
    fail_in(folder_, "cannot map the file of cold entries", error);
  }
  const Slab slab{static_cast<std::byte*>(data), end_};
  end_ += bytes;
  return slab;
}

void SlabFile::unmap(const Slab& slab, Index bytes) {
  ::munmap(slab.data, static_cast<std::size_t>(bytes));
  // Where holes cannot be made the space goes with the file.
  (void)::fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, slab.offset, bytes);
}

}  // namespace pith::cache
