// What stands around the texts of a conversation: the chat template, taken apart. It does not
// depend on what was said, so a turn can be added to any context.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"

namespace pith {

struct TurnFrame {
  std::string before;             // the first user text
  std::string after;              // a user text: the answer follows
  std::string between;            // an answer and the next user text
  std::vector<std::string> stop;  // of models without a template
  bool has_template = true;
};

// Throws bad_model for a template that does not pass a conversation through.
TurnFrame make_turn_frame(const Engine& engine, std::string_view system);

// Where the turns of a text begin: behind its first `prefix` tokens, and wherever `between` stands.
std::vector<Index> find_turns(std::span<const Token> tokens, Index prefix,
                              std::span<const Token> between);

}  // namespace pith
