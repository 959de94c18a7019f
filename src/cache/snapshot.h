// A context on disk: the cache's entries with their columns, the tokens and what they belong to.
// Versioned, checksummed per section (XXH3), bound to the model by a hash, written beside and
// renamed. It does not know how to rebuild a model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cache/cache.h"

namespace pith::cache {

struct SnapshotInfo {
  int version = 0;
  std::string model_name = {};  // for people
  std::uint64_t model_hash = 0;
  std::string recipe = {};         // as printed; empty for an uncompressed cache
  std::vector<Token> tokens = {};  // all tokens read so far, source token i = tokens[i]
  Index next_position = 0;
};

struct Snapshot {
  SnapshotInfo info;
  Cache cache;
};

void save(const Cache& cache, const SnapshotInfo& info, const std::filesystem::path& path);

// Throws bad_file naming the section for anything damaged or hostile; allocates no more than the
// file's size justifies.
Snapshot load(const std::filesystem::path& path);
Snapshot parse(std::span<const std::byte> bytes, const std::string& name);
SnapshotInfo load_info(const std::filesystem::path& path);  // the header only

}  // namespace pith::cache
