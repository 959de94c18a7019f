#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "text/chat_template.h"

// Any bytes as a template, rendered with a conversation that has every shape. Only pith::Error may
// come out.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view kMessages =
      R"([{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "né 好"}]},)"
      R"( {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {"x": [1, 2.5, true]}}}]}])";
  try {
    pith::ChatOptions options;
    options.bos_token = "<s>";
    options.tools_json = R"([{"name": "f", "parameters": {"a": 1}}])";
    options.unix_time = 0;
    pith::ChatTemplate::parse(source).render_json(kMessages, options);
  } catch (const pith::Error&) {
  }
  return 0;
}
