// Feeds damaged snapshots to parse(). Checksums are made good first, so that damage reaches what
// lies behind them.
#include <xxhash.h>

#include <cstring>
#include <vector>

#include "base/error.h"
#include "cache/snapshot.h"

namespace {

// Walks the sections as they claim to be and writes the checksum that each should have.
void repair_checksums(std::vector<std::byte>& bytes) {
  constexpr std::size_t kHeader = 24;
  for (std::size_t at = 8; at + kHeader <= bytes.size();) {
    std::uint64_t length;
    std::memcpy(&length, &bytes[at + 8], 8);
    if (length > bytes.size() - at - kHeader) return;
    const std::uint64_t hash =
        XXH3_64bits(bytes.data() + at + kHeader, static_cast<std::size_t>(length));
    std::memcpy(&bytes[at + 16], &hash, 8);
    at += kHeader + static_cast<std::size_t>(length);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::byte> bytes(size);
  if (size) std::memcpy(bytes.data(), data, size);
  repair_checksums(bytes);
  try {
    const auto snapshot = pith::cache::parse(bytes, "fuzz");
    // What parse() accepts must be usable.
    const auto& shape = snapshot.cache.shape();
    for (pith::Index lane = 0; lane < shape.lanes(); ++lane) {
      snapshot.cache.read_info(lane);
      std::vector<float> numbers(
          static_cast<std::size_t>(snapshot.cache.size(lane) * shape.head_dim));
      snapshot.cache.read_keys(lane, numbers);
      snapshot.cache.read_values(lane, numbers);
    }
    auto fork = snapshot.cache.fork();
    fork.truncate(0);
  } catch (const pith::Error&) {
  }
  return 0;
}
