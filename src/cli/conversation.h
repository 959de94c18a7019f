// A conversation of several turns in one context: the template's text around each turn, and the
// compression between turns. It prints nothing and reads no input.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/compress.h"
#include "engine/context.h"
#include "engine/generate.h"
#include "recipe/recipe.h"

namespace pith::cli {

// What stands around the texts of a conversation. It does not depend on what was said, so a turn
// can be added to any context.
struct TurnFrame {
  std::string before;             // the first user text
  std::string after;              // a user text: the answer follows
  std::string between;            // an answer and the next user text
  std::vector<std::string> stop;  // of models without a template
  bool has_template = true;
};
TurnFrame make_turn_frame(const Engine& engine, std::string_view system);

struct ConversationOptions {
  std::string system;
  std::optional<recipe::Recipe> recipe;  // none: never compress
  Index over_bytes = 0;  // compress after a turn that leaves the cache larger than this
  GenerateOptions generation;
};

class Conversation {
 public:
  // Throws bad_recipe for a recipe that looks at the question: between turns there is none.
  Conversation(std::shared_ptr<Engine> engine, ConversationOptions options);
  Conversation(Context saved, ConversationOptions options);  // goes on where a saved one ended

  // Reads the user's text and answers. Throws bad_input when the model's range ends; nothing has
  // changed then.
  Generated say(std::string_view text, const OnText& on_text);

  // After a turn. A recipe that needs no signals is carried out on the cache as it is; for the
  // others the conversation's tokens are read anew into an empty context, so that its scores are
  // those of the whole past.
  struct Compressed {
    CompressionReport report;
    Index tokens_read_again = 0;
    double seconds = 0;
  };
  std::optional<Compressed> compress_if_due(const Progress& progress);

  void save(const std::filesystem::path& path);
  const Context& context() const { return context_; }
  const TurnFrame& frame() const { return frame_; }

 private:
  std::shared_ptr<Engine> engine_;
  ConversationOptions options_;
  TurnFrame frame_;
  Context context_;
  std::optional<Token> unread_;  // the last answer's last token, if it belongs to the text
  bool compressed_ = false;
};

}  // namespace pith::cli
