#include "text/chat_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/error.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/lexer.h"
#include "text/jinja/parser.h"
#include "text/utf8.h"

namespace pith {
namespace {

constexpr std::size_t kMaxTemplate = std::size_t{1} << 20;

// "line 3, column 7"; columns count symbols from 1.
std::string place_in(std::string_view source, std::size_t offset) {
  const std::string_view before = source.substr(0, std::min(offset, source.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t newline = before.rfind('\n');
  const std::string_view row =
      newline == std::string_view::npos ? before : before.substr(newline + 1);
  const auto column =
      std::count_if(row.begin(), row.end(), [](char c) { return !is_continuation(c); }) + 1;
  return fmt::format("line {}, column {}", line, column);
}

jinja::Value parse_argument(std::string_view json, std::string_view what) {
  require_utf8(json, what);
  try {
    return jinja::parse_json(json);
  } catch (const jinja::RuntimeError& error) {
    fail(ErrorCode::bad_input, fmt::format("{} cannot be read: {}", what, error.what()));
  }
}

}  // namespace

struct ChatTemplate::Impl {
  std::string source;
  jinja::Body body;

  std::string render(const jinja::Value& messages, const ChatOptions& options) const;
};

ChatTemplate ChatTemplate::parse(std::string_view source) {
  if (source.size() > kMaxTemplate) {
    fail(ErrorCode::bad_model,
         fmt::format("the chat template has {} bytes; at most {} are supported", source.size(),
                     kMaxTemplate));
  }
  if (const auto at = find_invalid_utf8(source)) {
    fail(ErrorCode::bad_model, fmt::format("the chat template is not valid UTF-8 at byte {}", *at));
  }
  auto impl = std::make_unique<Impl>();
  impl->source = jinja::normalise_source(source);
  try {
    impl->body = jinja::parse(impl->source);
  } catch (const jinja::SyntaxError& error) {
    fail(ErrorCode::bad_model,
         fmt::format("chat template, {}: {}", place_in(impl->source, error.at), error.what()));
  }
  return ChatTemplate(std::move(impl));
}

ChatTemplate::ChatTemplate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

std::string ChatTemplate::render(const std::vector<Message>& messages,
                                 const ChatOptions& options) const {
  jinja::List list;
  for (const Message& message : messages) {
    require_utf8(message.role, "a message's role");
    require_utf8(message.content, "a message's content");
    jinja::Dict dict;
    dict.set("role", message.role);
    dict.set("content", message.content);
    list.emplace_back(std::move(dict));
  }
  return impl_->render(list, options);
}

std::string ChatTemplate::render_json(std::string_view messages_json,
                                      const ChatOptions& options) const {
  const jinja::Value messages = parse_argument(messages_json, "the messages");
  if (!messages.is(jinja::Kind::sequence))
    fail(ErrorCode::bad_input, "the messages must be a JSON array");
  return impl_->render(messages, options);
}

std::string ChatTemplate::Impl::render(const jinja::Value& messages,
                                       const ChatOptions& options) const {
  const jinja::Value tools =
      options.tools_json.empty() ? jinja::Value() : parse_argument(options.tools_json, "the tools");
  const jinja::Value variables =
      options.variables_json.empty()
          ? jinja::Dict()
          : parse_argument(options.variables_json, "the template's variables");
  if (!tools.is(jinja::Kind::none) && !tools.is(jinja::Kind::sequence))
    fail(ErrorCode::bad_input, "the tools must be a JSON array");
  if (!variables.is(jinja::Kind::dict))
    fail(ErrorCode::bad_input, "the template's variables must be a JSON object");
  require_utf8(options.bos_token, "the beginning token");
  require_utf8(options.eos_token, "the end token");

  const std::size_t input = jinja::add_weights(jinja::weight_of(messages), jinja::weight_of(tools));
  jinja::Limits limits;
  limits.work += 32 * input;
  limits.memory += 64 * input;
  limits.output += 4 * input;
  jinja::Evaluator evaluator(
      limits, options.unix_time >= 0 ? options.unix_time : static_cast<Index>(std::time(nullptr)));
  evaluator.set_variable("messages", messages);
  evaluator.set_variable("tools", tools);
  evaluator.set_variable("documents", jinja::Value());
  evaluator.set_variable("add_generation_prompt", options.add_generation_prompt);
  // A special token that the model lacks is undefined for its template, not empty.
  if (!options.bos_token.empty()) evaluator.set_variable("bos_token", options.bos_token);
  if (!options.eos_token.empty()) evaluator.set_variable("eos_token", options.eos_token);
  for (const auto& [name, value] : variables.dict().items())
    evaluator.set_variable(name.string(), value);
  try {
    return evaluator.render(body);
  } catch (const jinja::RaisedByTemplate& error) {
    fail(ErrorCode::bad_input, fmt::format("the chat template refuses: {}", error.what()));
  } catch (const jinja::RenderError& error) {
    fail(ErrorCode::bad_input,
         fmt::format("chat template, {}: {}", place_in(source, error.at), error.what()));
  }
}

}  // namespace pith
