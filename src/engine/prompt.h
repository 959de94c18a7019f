// How a document and questions become tokens: the model's chat template, split at the question, so
// that the document can be read and compressed before any question is known. Models without a
// template get a plain form, and say so.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/reading.h"

namespace pith {

// Whether a sentence begins at this byte: it ends with . ! or ? before white space, or with a line.
// Abbreviations are taken for ends too: shorter chunks do no harm.
bool begins_sentence(std::string_view text, std::size_t at);

class DocumentPrompt {
 public:
  // Throws bad_input for an empty document, invalid UTF-8 (with its offset) or a template that
  // cannot be split.
  // `turns`: bytes of the document at which turns of a conversation begin, if it is one.
  DocumentPrompt(const Engine& engine, std::string_view document, std::string_view system = "",
                 std::span<const Index> turns = {});

  const std::vector<Token>& context() const { return context_; }  // chat prefix + document
  Index prefix_tokens() const { return prefix_tokens_; }          // of these, before the document
  std::vector<Token> question(
      std::string_view question) const;  // question + what the template puts before an answer
  const std::vector<Token>& suffix() const { return suffix_; }  // the latter alone
  bool has_template() const { return has_template_; }
  ReadOptions read_options() const;  // for read_document(context(), ...)

 private:
  const Engine& engine_;
  std::string between_;  // template text between document and question
  std::vector<Token> context_, suffix_;
  Index prefix_tokens_ = 0;
  bool has_template_ = true;
  std::vector<std::int32_t> sentence_starts_, turn_starts_;
};

}  // namespace pith
