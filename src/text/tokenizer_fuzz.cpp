#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "text/small_vocabulary.h"
#include "text/tokenizer.h"

namespace {

using pith::Tokenizer;

// What decoding gives back: SentencePiece writes a space as U+2581 and cannot tell the two apart.
std::string expected(std::string_view text, bool sentencepiece) {
  std::string out(text);
  if (!sentencepiece) return out;
  for (std::size_t at; (at = out.find("\xe2\x96\x81")) != std::string::npos;)
    out.replace(at, 3, " ");
  return out;
}

}  // namespace

// Text that is accepted must come back from its tokens, and the tokens' spans must cover it in
// order.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Tokenizer tokenizers[] = {
      Tokenizer::from_vocabulary(pith::testing::small_bpe("qwen2")),
      Tokenizer::from_vocabulary(pith::testing::small_bpe("smollm")),
      Tokenizer::from_vocabulary(pith::testing::small_bpe("gpt-2")),
      Tokenizer::from_vocabulary(pith::testing::small_bpe("llama-bpe")),
      Tokenizer::from_vocabulary(pith::testing::small_sentencepiece(false)),
      Tokenizer::from_vocabulary(pith::testing::small_sentencepiece(true)),
  };
  if (size == 0) return 0;
  const std::size_t which = data[0] % 6;
  const Tokenizer& tokenizer = tokenizers[which];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const pith::TokenizeOptions options{.parse_special = (data[0] & 0x40) != 0, .add_special = false};
  try {
    const auto ids = tokenizer.encode(text, options);
    if (tokenizer.decode(ids) != expected(text, which >= 4)) __builtin_trap();
    pith::Index at = 0;
    for (const auto& span : tokenizer.encode_spans(text, options)) {
      if (span.begin > at || span.end < at || span.end < span.begin) __builtin_trap();
      at = span.end;
    }
    if (at != static_cast<pith::Index>(text.size())) __builtin_trap();
  } catch (const pith::Error&) {
  }
  return 0;
}
