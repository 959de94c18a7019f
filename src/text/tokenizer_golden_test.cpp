#include <gtest/gtest.h>

#include "base/error.h"
#include "gguf/gguf.h"
#include "support/golden.h"
#include "support/models.h"
#include "text/tokenizer.h"

namespace pith {
namespace {

using Json = nlohmann::ordered_json;

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

// Oracle: llama.cpp, see tests/golden/README.md.
class TokenizerGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(TokenizerGolden, EveryLineAgrees) {
  const std::string model = GetParam();
  const auto path = test::find_model(model);
  if (path.empty())
    GTEST_SKIP() << "no model " << model << " here; fetch it with: pith pull " << model;
  const auto tokenizer = Tokenizer::from_gguf(gguf::File::open(path));
  int lines = 0;
  for (const Json& line : test::golden_lines("tokenizer.jsonl")) {
    if (line["model"] != model) continue;
    ++lines;
    SCOPED_TRACE(line.dump());
    if (line.contains("invalid_utf8")) {
      EXPECT_THROW(tokenizer.encode(from_hex(line["text_hex"])), Error);
      continue;
    }
    const std::string text =
        line.contains("text") ? line["text"].get<std::string>() : from_hex(line["text_hex"]);
    const std::vector<Token> plain = line["ids"];
    const std::vector<Token> special = line.value("ids_parse_special", plain);
    const std::vector<Token> begun = line.value("ids_add_special_parse_special", special);
    EXPECT_EQ(tokenizer.encode(text), plain);
    EXPECT_EQ(tokenizer.encode(text, {.parse_special = true}), special);
    EXPECT_EQ(tokenizer.encode(text, {.parse_special = true, .add_special = true}), begun);
    EXPECT_EQ(tokenizer.decode(special),
              line.contains("detok_hex") ? from_hex(line["detok_hex"]) : text);
    Index at = 0;
    for (const TokenSpan& span : tokenizer.encode_spans(text, {.parse_special = true})) {
      EXPECT_LE(span.begin, at);
      EXPECT_GE(span.end, at);
      at = span.end;
    }
    EXPECT_EQ(at, static_cast<Index>(text.size()));
  }
  EXPECT_EQ(lines, 130);
}

INSTANTIATE_TEST_SUITE_P(Models, TokenizerGolden,
                         ::testing::Values("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct",
                                           "qwen2.5-coder-1.5b-instruct", "gemma3-270m"),
                         [](const auto& model) {
                           std::string name = model.param;
                           for (char& c : name) {
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace pith
