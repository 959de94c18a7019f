#include "engine/prompt.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/error.h"
#include "engine/template_parts.h"

namespace pith {
namespace {

// Stand-ins that a template passes through untouched.
constexpr std::string_view kDocument = "[[pith:document]]", kQuestion = "[[pith:question]]";

struct Frame {
  std::string before, between, after;  // around document and question
};

Frame split_template(const Engine& engine, std::string_view system) {
  auto parts =
      template_parts(engine, system, {{"user", fmt::format("{}\n\n{}", kDocument, kQuestion)}},
                     std::array{kDocument, kQuestion});
  if (!parts)
    fail(ErrorCode::bad_model,
         "the model's chat template does not pass a user message through; pith cannot place a "
         "document in it");
  return {std::move((*parts)[0]), std::move((*parts)[1]), std::move((*parts)[2])};
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
