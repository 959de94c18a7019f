#include "engine/prompt.h"

#include <fmt/format.h>

#include "base/error.h"

namespace pith {
namespace {

// Stand-ins that a template passes through untouched.
constexpr std::string_view kDocument = "[[pith:document]]", kQuestion = "[[pith:question]]";

struct Frame {
  std::string before, between, after;  // around document and question
};

Frame split_template(const Engine& engine, std::string_view system) {
  const Tokenizer& tokenizer = engine.tokenizer();
  std::vector<Message> messages;
  if (!system.empty()) messages.push_back({"system", std::string(system)});
  messages.push_back({"user", fmt::format("{}\n\n{}", kDocument, kQuestion)});
  ChatOptions options;
  if (tokenizer.bos() >= 0) options.bos_token = tokenizer.piece(tokenizer.bos());
  if (tokenizer.eos() >= 0) options.eos_token = tokenizer.piece(tokenizer.eos());
  const std::string text = engine.chat_template()->render(messages, options);
  const auto document = text.find(kDocument), question = text.find(kQuestion);
  if (document == std::string::npos || question == std::string::npos || question < document)
    fail(ErrorCode::bad_model,
         "the model's chat template does not pass a user message through; pith cannot place a "
         "document in it");
  return {text.substr(0, document),
          text.substr(document + kDocument.size(), question - document - kDocument.size()),
          text.substr(question + kQuestion.size())};
}

bool blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

bool begins_sentence(std::string_view text, std::size_t at) {
  if (at == 0) return true;
  if (text[at - 1] == '\n') return true;
  const bool space = text[at] == ' ' || text[at] == '\n' || text[at] == '\t';
  return space && (text[at - 1] == '.' || text[at - 1] == '!' || text[at - 1] == '?');
}

DocumentPrompt::DocumentPrompt(const Engine& engine, std::string_view document,
                               std::string_view system, std::span<const Index> turns)
    : engine_(engine) {
  if (blank(document))
    fail(ErrorCode::bad_input, "the document is empty; give a file with text in it");
  const Tokenizer& tokenizer = engine.tokenizer();
  Frame frame{"", "\n\nQuestion: ", "\nAnswer:"};
  has_template_ = engine.chat_template() != nullptr;
  if (has_template_) {
    frame = split_template(engine, system);
  } else if (!system.empty()) {
    frame.before = fmt::format("{}\n\n", system);
  }
  between_ = frame.between;
  context_ = tokenizer.encode(frame.before, {.parse_special = true, .add_special = true});
  prefix_tokens_ = static_cast<Index>(context_.size());
  sentence_starts_.push_back(0);
  for (const TokenSpan& token : tokenizer.encode_spans(document)) {
    const auto at = static_cast<std::size_t>(token.begin);
    const auto index = static_cast<std::int32_t>(context_.size());
    if (begins_sentence(document, at) && index > sentence_starts_.back())
      sentence_starts_.push_back(index);
    if (!turns.empty() && token.begin >= turns.front()) {
      turn_starts_.push_back(index);
      while (!turns.empty() && token.begin >= turns.front()) turns = turns.subspan(1);
    }
    context_.push_back(token.id);
  }
  suffix_ = tokenizer.encode(frame.after, {.parse_special = true});
}

std::vector<Token> DocumentPrompt::question(std::string_view question) const {
  if (blank(question)) fail(ErrorCode::bad_input, "the question is empty");
  auto tokens = engine_.tokenizer().encode(between_ + std::string(question));
  tokens.insert(tokens.end(), suffix_.begin(), suffix_.end());
  return tokens;
}

ReadOptions DocumentPrompt::read_options() const {
  return {.prefix_tokens = prefix_tokens_,
          .answer_prompt = suffix_,
          .sentence_starts = sentence_starts_,
          .turn_starts = turn_starts_,
          .progress = {},
          .replay_progress = {}};
}

}  // namespace pith
