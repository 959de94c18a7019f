// Renders conversations with the template that a model carries (a subset of Jinja2 as Hugging Face
// sets it up). The template is untrusted input: recursion, loops and output are bounded. It does
// not tokenize.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "gguf/gguf.h"

namespace pith {

struct Message {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
};

struct ChatOptions {
  bool add_generation_prompt = true;
  std::string bos_token = {}, eos_token = {};
  std::string tools_json = {};      // a JSON array, or empty for none
  std::string variables_json = {};  // a JSON object: further variables (enable_thinking), or empty
  Index unix_time = -1;  // what strftime_now tells, in seconds since 1970; -1 asks the clock
};

class ChatTemplate {
 public:
  // Throws bad_model with line and column when the template is outside the subset.
  static ChatTemplate parse(std::string_view source);
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // Throws bad_input with the template's own message where it calls raise_exception, and when a
  // bound is exceeded.
  std::string render(const std::vector<Message>& messages, const ChatOptions& options = {}) const;
  // The same for messages as JSON (content parts, tool calls): an array of objects.
  std::string render_json(std::string_view messages_json, const ChatOptions& options = {}) const;

 private:
  struct Impl;
  explicit ChatTemplate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pith
