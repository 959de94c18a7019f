#include "engine/template_parts.h"

#include "base/error.h"

namespace pith {

std::optional<std::vector<std::string>> template_parts(
    const Engine& engine, std::string_view system, std::vector<Message> messages,
    std::span<const std::string_view> stand_ins) {
  PITH_CHECK(engine.chat_template() != nullptr, "a model with a template");
  if (!system.empty()) messages.insert(messages.begin(), {"system", std::string(system)});
  const Tokenizer& tokenizer = engine.tokenizer();
  ChatOptions options;
  if (tokenizer.bos() >= 0) options.bos_token = tokenizer.piece(tokenizer.bos());
  if (tokenizer.eos() >= 0) options.eos_token = tokenizer.piece(tokenizer.eos());
  const std::string text = engine.chat_template()->render(messages, options);
  std::vector<std::string> parts;
  std::size_t end = 0;
  for (const std::string_view stand_in : stand_ins) {
    const auto at = text.find(stand_in);
    if (at == std::string::npos || at < end) return std::nullopt;
    parts.push_back(text.substr(end, at - end));
    end = at + stand_in.size();
  }
  parts.push_back(text.substr(end));
  return parts;
}

}  // namespace pith
