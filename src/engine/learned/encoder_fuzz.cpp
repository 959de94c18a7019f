// Bytes as an encoder: refused or read, never a crash.
#include "base/error.h"
#include "engine/learned/encoder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    pith::Encoder::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const pith::Error&) {
  }
  return 0;
}
