// Bytes as a calibration: refused or read, never a crash. The checksum is put right first, so that
// what it protects is reached as well.
#include <xxhash.h>

#include <cstring>
#include <string>

#include "base/error.h"
#include "engine/calibration/calibration.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHead = 24;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size > kHead && bytes.starts_with("PITHCAL1")) {
    const std::uint64_t length = size - kHead,
                        hash = XXH3_64bits(bytes.data() + kHead, size - kHead);
    std::memcpy(bytes.data() + 8, &length, sizeof length);
    std::memcpy(bytes.data() + 16, &hash, sizeof hash);
  }
  try {
    pith::Calibration::parse(bytes, "fuzz");
  } catch (const pith::Error&) {
  }
  return 0;
}
