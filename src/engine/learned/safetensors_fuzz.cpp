// Bytes as safetensors: refused or read, never a crash; what was read is written to the same
// arrays. The length of the head is put right first where the input is long enough, so that heads
// are reached.
#include "engine/learned/safetensors.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace {

void try_one(const std::string& bytes) {
  try {
    const auto read = pith::Safetensors::parse(bytes, "fuzz");
    const auto again = pith::Safetensors::parse(read.bytes(), "again");
    if (again.metadata != read.metadata || again.tensors.size() != read.tensors.size())
      std::abort();
  } catch (const pith::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  try_one(bytes);
  const auto end = bytes.rfind('}');
  if (end == std::string::npos || end < sizeof(std::uint64_t)) return 0;
  const std::uint64_t length = end + 1 - sizeof(std::uint64_t);
  std::memcpy(bytes.data(), &length, sizeof length);
  try_one(bytes);
  return 0;
}
