#include "engine/conversation/turn_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "engine/template_parts.h"

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
  const auto parts = template_parts(engine, system,
                                    {{"user", std::string(kFirst)},
                                     {"assistant", std::string(kAnswer)},
                                     {"user", std::string(kNext)}},
                                    std::array{kFirst, kAnswer, kNext});
  if (!parts)
    fail(ErrorCode::bad_model,
         "the model's chat template does not pass a conversation through; pith generate takes "
         "plain prompts");
  frame.before = (*parts)[0];
  frame.between = (*parts)[2];
  frame.after = (*parts)[3];
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
