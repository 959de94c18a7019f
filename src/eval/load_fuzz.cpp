// Any bytes as JSON lines: documents or a pith::Error, nothing else; every span lies in its text.
#include <cstdint>
#include <exception>

#include "base/error.h"
#include "eval/judge.h"
#include "eval/load.h"

namespace {

template <typename Call>
void attempt(const Call& load) {
  try {
    for (const auto& document : load()) {
      for (const auto& item : document.items) {
        pith::eval::judge(item, document.text);
        for (const auto& reference : item.references)
          for (const auto& span : reference.spans)
            if (span.begin < 0 || span.end > static_cast<pith::Index>(document.text.size()))
              std::terminate();
      }
    }
  } catch (const pith::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto* task : {"niah_single_1", "vt", "cwe", "fwe", "qa_1"})
    attempt([&] { return pith::eval::parse_ruler(text, "fuzz", task); });
  attempt([&] { return pith::eval::parse_longbench(text, "fuzz", ""); });
  const std::size_t half = text.find('\0');  // prompts, then lines
  if (half != std::string_view::npos)
    attempt([&] {
      return pith::eval::parse_longbench(text.substr(half + 1), "fuzz", text.substr(0, half));
    });
  return 0;
}
