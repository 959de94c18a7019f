// Slabs in a file without a name, mapped: what is seldom looked at can leave memory, and nothing is
// left behind when the process ends, however it ends. It knows no tiles.
#pragma once

#include <cstddef>
#include <filesystem>

#include "base/types.h"

namespace pith::cache {

// New memory at an address that is a multiple of `align`; both are multiples of a page. Throws
// std::bad_alloc.
std::byte* map_memory(Index bytes, Index align);

class SlabFile {
 public:
  // Makes the folder and the file. Throws io.
  explicit SlabFile(const std::filesystem::path& folder);
  SlabFile(const SlabFile&) = delete;
  SlabFile& operator=(const SlabFile&) = delete;
  ~SlabFile();

  // New bytes of the file, zero, at an address that is a multiple of `align`; both are multiples of
  // a page. Their disk space is taken now, so that writing to them cannot fail later: throws io
  // where there is none.
  struct Slab {
    std::byte* data;
    Index offset;  // in the file
  };
  Slab map(Index bytes, Index align);
  // Gives memory and disk space back.
  void unmap(const Slab& slab, Index bytes);

 private:
  std::filesystem::path folder_;
  int descriptor_ = -1;
  Index end_ = 0;
};

}  // namespace pith::cache
