// Any bytes: a sound file or a pith::Error, nothing else. What parses is read through every
// look-up.
#include <exception>

#include "base/error.h"
#include "gguf/gguf.h"

namespace {

volatile std::uint64_t sink = 0;

template <typename Call>
void attempt(const Call& call) {
  try {
    call();
  } catch (const pith::Error&) {
  }
}

void read_everything(const pith::gguf::File& file) {
  for (const auto& [key, value] : file.metadata()) {
    attempt([&] { sink = file.get_string(key).size(); });
    attempt([&] { sink = static_cast<std::uint64_t>(file.get_index(key)); });
    attempt([&] { sink = file.get_number(key) > 0 ? 1 : 0; });
    attempt([&] { sink = file.get_bool(key, false); });
    attempt([&] { sink = file.get_strings(key).size(); });
    attempt([&] { sink = file.get_floats(key).size(); });
    attempt([&] { sink = file.get_indices(key).size(); });
  }
  for (const auto& tensor : file.tensors()) {
    const auto matrix = file.tensor(tensor.name).matrix();
    if (matrix.rows * matrix.row_bytes() != static_cast<pith::Index>(tensor.data.size()))
      std::terminate();
    for (const std::byte byte : tensor.data) sink = sink + std::to_integer<std::uint64_t>(byte);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attempt([&] {
    read_everything(pith::gguf::File::parse(std::as_bytes(std::span(data, size)), "fuzz"));
  });
  return 0;
}
