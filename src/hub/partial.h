// A file that is being downloaded: bytes that survive an interruption, with notes on where they
// came from, until commit() gives the file its name. It does not know how the bytes are got.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace pith::hub {

// Holds NAME.part and NAME.part.notes beside the file to be.
class PartialFile {
 public:
  struct Note {
    Index size;        // of the file when the note was made
    std::string text;  // one line
  };

  // Takes up what is left of an earlier download from the same `source`; anything else is thrown
  // away.
  PartialFile(const std::filesystem::path& final_path, const std::string& source);
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile();  // leaves the files for the next time

  Index size() const { return size_; }
  const std::vector<Note>& notes() const { return notes_; }
  const std::filesystem::path& path() const { return path_; }

  void write(std::span<const std::byte> bytes);  // throws io, naming the cause
  void note(std::string text);                   // makes the bytes so far durable, then notes
  void truncate(Index size);                     // forgets the bytes after `size` and their notes
  void commit();                                 // gives it its name
  void discard();                                // removes both files

 private:
  std::filesystem::path final_path_, path_, notes_path_;
  std::string source_;
  int descriptor_ = -1;
  Index size_ = 0;
  std::vector<Note> notes_;

  void load_notes();
  void save_notes() const;
};

// Held while a model is pulled, so that no other process pulls the same one. Throws io when it is
// taken.
class PullLock {
 public:
  explicit PullLock(const std::filesystem::path& final_path);
  PullLock(const PullLock&) = delete;
  PullLock& operator=(const PullLock&) = delete;
  ~PullLock();

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

// Throws io when the disk of `folder` has less than `bytes` free.
void require_space(const std::filesystem::path& folder, Index bytes);

}  // namespace pith::hub
