#include "engine/conversation/turn_frame.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace pith {
namespace {

// Stand-ins that a template passes through untouched.
constexpr std::string_view kFirst = "[[pith:first]]", kAnswer = "[[pith:answer]]",
                           kNext = "[[pith:next]]";

}  // namespace

TurnFrame make_turn_frame(const Engine& engine, std::string_view system) {
  TurnFrame frame;
  if (engine.chat_template() == nullptr) {
    frame.before = system.empty() ? "User: " : fmt::format("{}\n\nUser: ", system);
    frame.after = "\nAssistant:";
    frame.between = "\nUser: ";
    frame.stop = {"\nUser:"};
    frame.has_template = false;
    return frame;
  }
  const Tokenizer& tokenizer = engine.tokenizer();
  std::vector<Message> messages;
  if (!system.empty()) messages.push_back({"system", std::string(system)});
  messages.push_back({"user", std::string(kFirst)});
  messages.push_back({"assistant", std::string(kAnswer)});
  messages.push_back({"user", std::string(kNext)});
  ChatOptions options;
  if (tokenizer.bos() >= 0) options.bos_token = tokenizer.piece(tokenizer.bos());
  if (tokenizer.eos() >= 0) options.eos_token = tokenizer.piece(tokenizer.eos());
  const std::string text = engine.chat_template()->render(messages, options);
  const auto first = text.find(kFirst), answer = text.find(kAnswer), next = text.find(kNext);
  if (first == std::string::npos || answer == std::string::npos || next == std::string::npos ||
      answer < first || next < answer)
    fail(ErrorCode::bad_model,
         "the model's chat template does not pass a conversation through; pith generate takes "
         "plain prompts");
  frame.before = text.substr(0, first);
  frame.between = text.substr(answer + kAnswer.size(), next - answer - kAnswer.size());
  frame.after = text.substr(next + kNext.size());
  return frame;
}

std::vector<Index> find_turns(std::span<const Token> tokens, Index prefix,
                              std::span<const Token> between) {
  std::vector<Index> starts = {prefix};
  auto at = tokens.begin() + std::min<Index>(prefix, std::ssize(tokens));
  while ((at = std::search(at, tokens.end(), between.begin(), between.end())) != tokens.end()) {
    if (at - tokens.begin() > prefix) starts.push_back(at - tokens.begin());
    at += std::ssize(between);
    if (between.empty()) break;
  }
  return starts;
}

}  // namespace pith
