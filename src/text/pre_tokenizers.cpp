#include "text/pre_tokenizers.h"

#include <algorithm>
#include <array>

namespace pith {
namespace {

// \s is spelled as White_Space: PCRE2's own also takes U+180E, which lost that property in
// Unicode 6.3.
#define PITH_SPACE "\\p{White_Space}"
#define PITH_SPACES_BEFORE_WORD PITH_SPACE "+(?!\\P{White_Space})|" PITH_SPACE "+"

constexpr const char* kGpt2 =
    "'s|'t|'re|'ve|'m|'ll|'d"
    "| ?\\p{L}+"
    "| ?\\p{N}+"
    "| ?[^" PITH_SPACE
    "\\p{L}\\p{N}]+"
    "|" PITH_SPACES_BEFORE_WORD;

// SmolLM cuts every digit off first and applies GPT-2's expression to what is left between them.
// Both steps in one: spaces in front of a digit end their fragment, so none of them is kept back
// for the next word.
constexpr const char* kSmolLm =
    "'s|'t|'re|'ve|'m|'ll|'d"
    "| ?\\p{L}+"
    "|\\p{N}"
    "| ?[^" PITH_SPACE
    "\\p{L}\\p{N}]+"
    "|" PITH_SPACE
    "+(?=\\p{N})"
    "|" PITH_SPACES_BEFORE_WORD;

#define PITH_CL100K(digits)        \
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)"   \
  "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+" \
  "|" digits "| ?[^" PITH_SPACE    \
  "\\p{L}\\p{N}]+[\\r\\n]*"        \
  "|" PITH_SPACE                   \
  "*[\\r\\n]+"                     \
  "|" PITH_SPACES_BEFORE_WORD

constexpr std::array kPreTokenizers = {
    PreTokenizer{"gpt-2", kGpt2, false, false},
    PreTokenizer{"gpt2", kGpt2, false, false},
    PreTokenizer{"default", kGpt2, false, false},
    PreTokenizer{"smollm", kSmolLm, false, false},
    PreTokenizer{"qwen2", PITH_CL100K("\\p{N}"), false, false},
    PreTokenizer{"llama-bpe", PITH_CL100K("\\p{N}{1,3}"), true, true},
};

}  // namespace

std::span<const PreTokenizer> known_pre_tokenizers() { return kPreTokenizers; }

const PreTokenizer* find_pre_tokenizer(std::string_view name) {
  const auto found = std::find_if(kPreTokenizers.begin(), kPreTokenizers.end(),
                                  [&](const auto& one) { return one.name == name; });
  return found == kPreTokenizers.end() ? nullptr : &*found;
}

}  // namespace pith
