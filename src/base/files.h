// Files: read-only maps, whole reads, and writes that either happen completely or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/types.h"

namespace pith {

// A whole file, mapped read-only. The file must not shrink while it is mapped (pith never
// overwrites a file in place).
class MappedFile {
 public:
  // Throws not_found or io, with the path in the message.
  static MappedFile open(const std::filesystem::path& path);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Reads a whole text or binary file. Throws not_found, io, or bad_input if it is larger than
// `limit` bytes.
std::string read_file(const std::filesystem::path& path, Index limit = Index{1} << 30);

// A file that appears under its name only when commit() succeeds: written beside it, flushed to the
// disk, renamed. If commit() is never reached, the destructor removes what was written; if the
// process is killed before, PATH.PID.X.part is left, with eight random digits X.
class FileWriter {
 public:
  // Throws bad_input for a folder, not_found or io where nothing can be written.
  explicit FileWriter(const std::filesystem::path& path);
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter();

  void write(std::span<const std::byte> bytes);  // throws io, naming the cause (a full disk, say)
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  Index size() const { return size_; }
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
  Index size_ = 0;
  std::string buffer_;
  void flush();
  void write_now(std::string_view left);
};

// Whether there is something of that name. Throws io where that cannot be known (a folder that may
// not be searched, links that go in circles).
bool is_there(const std::filesystem::path& path);

// Makes a folder and those above it; one that is there is fine. Throws bad_input where a file has
// the name, io with the cause otherwise.
void make_folder(const std::filesystem::path& path);

// Throws what a FileWriter would throw for this path, before the work whose result goes there is
// done; also for what is no file (a folder, a device). Leaves nothing behind.
void check_writable(const std::filesystem::path& path);

}  // namespace pith
