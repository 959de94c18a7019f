// The pre-tokenizers that GGUF files name, as data: how text falls into words, and what else their
// tokenizers do. No code runs here.
#pragma once

#include <span>
#include <string_view>

namespace pith {

struct PreTokenizer {
  std::string_view name;   // of tokenizer.ggml.pre
  const char* expression;  // PCRE2; its matches are the words and leave no gap
  bool takes_words_whole;  // a word that is a token is taken as it is, without merging
  bool begins_with_bos;    // where the file does not say whether a beginning token is wanted
};

std::span<const PreTokenizer> known_pre_tokenizers();
const PreTokenizer* find_pre_tokenizer(std::string_view name);  // null where there is none

}  // namespace pith
