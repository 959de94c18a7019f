#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "text/small_vocabulary.h"
#include "text/special_matcher.h"
#include "text/word_splitter.h"

namespace pith {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::small_bpe;
using testing::small_sentencepiece;

template <typename Call>
std::string message_of(ErrorCode code, Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(Bpe, MergesByRank) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_bpe());
  EXPECT_THAT(tokenizer.encode("hello"), ElementsAre(259));
  EXPECT_THAT(tokenizer.encode("hellhe"), ElementsAre(258, 256));
  EXPECT_THAT(tokenizer.encode("he wll"), ElementsAre(256, 260, 257));
  EXPECT_EQ(tokenizer.kind(), "gpt2/qwen2");
}

TEST(Bpe, SpecialTokensNeedPermissionButUserDefinedOnesDoNot) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_bpe());
  EXPECT_THAT(tokenizer.encode("<|end|><tool>", {.parse_special = true}), ElementsAre(261, 262));
  EXPECT_EQ(tokenizer.encode("<|end|><tool>").size(), 8u);
  EXPECT_EQ(tokenizer.encode("<|end|><tool>").back(), 262);
}

TEST(Bpe, DecodingCanLeaveControlTokensOut) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_bpe());
  EXPECT_EQ(tokenizer.decode(std::vector<Token>{259, 261, 262, 263, 260}), "hello<|end|><tool> w");
  EXPECT_EQ(tokenizer.decode(std::vector<Token>{259, 261, 262, 263, 260}, false), "hello<tool> w");
  EXPECT_EQ(tokenizer.piece(261, false), "");
}

TEST(Bpe, SpansOfAPartialSymbolCoverTheSymbol) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_bpe());
  const std::vector<TokenSpan> spans = tokenizer.encode_spans("he\xc3\xa9!");
  ASSERT_EQ(spans.size(), 4u);
  EXPECT_EQ(spans[0], (TokenSpan{256, 0, 2}));
  EXPECT_EQ(spans[1].begin, 2);
  EXPECT_EQ(spans[1].end, 4);
  EXPECT_EQ(spans[2].begin, 2);
  EXPECT_EQ(spans[2].end, 4);
  EXPECT_EQ(spans[3], (TokenSpan{0, 4, 5}));
}

TEST(Bpe, SomeModelsTakeAKnownWordWhole) {
  Vocabulary v = small_bpe("llama-bpe");
  v.merges.pop_back();  // a space and a w merge no more, but stand in the vocabulary
  EXPECT_THAT(Tokenizer::from_vocabulary(v).encode("he w"), ElementsAre(256, 260));
  v.pre = "qwen2";
  EXPECT_EQ(Tokenizer::from_vocabulary(v).encode("he w").size(), 3u);
}

TEST(Bpe, AByteThatTheVocabularyLacksBelongsToItsNeighbour) {
  Vocabulary v = small_bpe();
  v.tokens[0] = "gone";  // was "!"
  const auto tokenizer = Tokenizer::from_vocabulary(v);
  EXPECT_THAT(tokenizer.encode("hello!"), ElementsAre(259));
  EXPECT_THAT(tokenizer.encode_spans("hello!"), ElementsAre(TokenSpan{259, 0, 6}));
  EXPECT_THAT(tokenizer.encode("!"), IsEmpty());
}

std::vector<std::string> words(const char* pre, std::string_view text) {
  const WordSplitter splitter(*find_pre_tokenizer(pre));
  WordSplitter::Cursor cursor(splitter);
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t next = cursor.next(text, at);
    out.emplace_back(text.substr(at, next - at));
    at = next;
  }
  return out;
}

TEST(WordSplitter, EachModelCutsInItsOwnWay) {
  EXPECT_THAT(words("gpt-2", "it's 1234  x!\n\n y"),
              ElementsAre("it", "'s", " 1234", " ", " x", "!", "\n\n", " y"));
  EXPECT_THAT(words("smollm", "it's 12  3  x!\n\n y"),
              ElementsAre("it", "'s", " ", "1", "2", "  ", "3", " ", " x", "!", "\n\n", " y"));
  EXPECT_THAT(words("qwen2", "it'S 12  3  x!\n\n y"),
              ElementsAre("it", "'S", " ", "1", "2", " ", " ", "3", " ", " x", "!\n\n", " y"));
  EXPECT_THAT(words("llama-bpe", "it's 1234 (x)\n"),
              ElementsAre("it", "'s", " ", "123", "4", " (", "x", ")\n"));
}

TEST(WordSplitter, SpaceAndLettersAreUnicodes) {
  EXPECT_THAT(words("qwen2", "a\u3000b\u180ec"), ElementsAre("a", "\u3000b", "\u180ec"));
  EXPECT_THAT(words("gpt-2", "\u3000\u3000é'ſ"), ElementsAre("\u3000", "\u3000", "é", "'", "ſ"));
  EXPECT_THAT(words("qwen2", "é'ſ"), ElementsAre("é", "'ſ"));
}

TEST(Bpe, AVeryLongWordIsLinear) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_bpe());
  EXPECT_EQ(tokenizer.encode(std::string(1 << 20, 'l')).size(), std::size_t{1} << 19);
  EXPECT_EQ(tokenizer.encode(std::string(1 << 20, ' ')).size(), std::size_t{1} << 20);
  EXPECT_EQ(tokenizer.encode(std::string(1 << 20, '<')).size(), std::size_t{1} << 20);
}

TEST(SentencePiece, MergesByScore) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_sentencepiece(false));
  EXPECT_THAT(tokenizer.encode("ab"), ElementsAre(262));
  EXPECT_THAT(tokenizer.encode("aba"), ElementsAre(264));
  EXPECT_THAT(tokenizer.encode("b ab"), ElementsAre(261, 263, 261));
  EXPECT_EQ(tokenizer.decode(std::vector<Token>{261, 263, 261}), "b ab");
}

TEST(SentencePiece, TheAddedSpaceIsTakenAwayAgain) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_sentencepiece(true));
  EXPECT_THAT(tokenizer.encode("ab"), ElementsAre(263, 261));
  EXPECT_EQ(tokenizer.decode(std::vector<Token>{263, 261}), "ab");
  EXPECT_THAT(tokenizer.encode_spans("ab"),
              ElementsAre(TokenSpan{263, 0, 1}, TokenSpan{261, 1, 2}));
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(" a</s> b", {.parse_special = true})), " a</s> b");
}

TEST(SentencePiece, WhatHasNoPieceBecomesBytes) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_sentencepiece(false));
  EXPECT_THAT(tokenizer.encode("\xc3\xa9"), ElementsAre(3 + 0xc3, 3 + 0xa9));
  EXPECT_THAT(
      tokenizer.encode_spans("a\xc3\xa9"),
      ElementsAre(TokenSpan{260, 0, 1}, TokenSpan{3 + 0xc3, 1, 3}, TokenSpan{3 + 0xa9, 1, 3}));
}

TEST(SentencePiece, TextCannotSpellAControlToken) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_sentencepiece(false));
  EXPECT_EQ(tokenizer.encode("<s>").size(), 3u);
  EXPECT_THAT(tokenizer.encode("<s><h1>a", {.parse_special = true}), ElementsAre(1, 265, 260));
  EXPECT_THAT(tokenizer.encode("<h1>a", {.add_special = true}), ElementsAre(1, 265, 260));
}

TEST(Tokenizer, InvalidUtf8IsRefusedWithItsOffset) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_bpe());
  EXPECT_EQ(message_of(ErrorCode::bad_input, [&] { tokenizer.encode("abc\xc3"); }),
            "the text is not valid UTF-8: byte 0xc3 at offset 3; convert it to UTF-8 first");
  EXPECT_THROW(tokenizer.encode("\xed\xa0\x80"), Error);
  EXPECT_THROW(tokenizer.encode("\xc0\x80"), Error);
  EXPECT_THROW(tokenizer.encode("\xf4\x90\x80\x80"), Error);
}

TEST(Tokenizer, LookUps) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_bpe());
  EXPECT_EQ(tokenizer.vocabulary_size(), 264);
  EXPECT_EQ(tokenizer.find("hello"), 259);
  EXPECT_EQ(tokenizer.find("hullo"), -1);
  EXPECT_EQ(tokenizer.bos(), -1);
  EXPECT_TRUE(tokenizer.is_end_of_generation(tokenizer.eos()));
  EXPECT_TRUE(tokenizer.is_control(261));
  EXPECT_FALSE(tokenizer.is_control(262));
  EXPECT_THAT(message_of(ErrorCode::bad_input, [&] { tokenizer.piece(264); }),
              HasSubstr("token 264 lies outside"));
}

TEST(Tokenizer, InconsistentVocabulariesAreRefusedByName) {
  const auto refusal = [](Vocabulary v) {
    return message_of(ErrorCode::bad_model, [&] { Tokenizer::from_vocabulary(std::move(v)); });
  };
  Vocabulary v = small_bpe("nonsense");
  EXPECT_EQ(refusal(v),
            "small: the pre-tokenizer \"nonsense\" is unknown; pith knows gpt-2, gpt2, default, "
            "smollm, qwen2, llama-bpe");
  v = small_bpe();
  v.model = "wordpiece";
  EXPECT_THAT(refusal(v), HasSubstr("the tokenizer \"wordpiece\" is unknown; pith knows gpt2"));
  v = small_bpe();
  v.merges.push_back("he nothing");
  EXPECT_EQ(refusal(v), "small: merge 5 (\"he nothing\") names a token that the vocabulary lacks");
  v = small_bpe();
  v.types.pop_back();
  EXPECT_EQ(refusal(v), "small: 263 token types for 264 tokens");
  v = small_bpe();
  v.eos = 1000;
  EXPECT_EQ(refusal(v), "small: the end token is 1000, but the vocabulary has 264 tokens");
  v = small_sentencepiece(false);
  v.scores[5] = NAN;
  EXPECT_EQ(refusal(v), "small: the score of token 5 is not a number");
  v = small_sentencepiece(false);
  v.tokens[3] = "<0xZZ>";
  EXPECT_THAT(refusal(v), HasSubstr("byte token 3 is \"<0xZZ>\""));
}

TEST(Tokenizer, SeveralThreadsCanEncodeAtOnce) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_bpe());
  std::vector<std::thread> threads;
  std::vector<std::size_t> counts(4);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    threads.emplace_back([&, i] { counts[i] = tokenizer.encode(std::string(100000, 'l')).size(); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(counts, ElementsAre(50000, 50000, 50000, 50000));
}

TEST(SpecialMatcher, LeftmostThenLongest) {
  SpecialMatcher matcher;
  matcher.add("ab", 1);
  matcher.add("abcd", 2);
  matcher.add("bc", 3);
  const auto first = matcher.find("xabcx", 0);
  EXPECT_EQ(first.id, 1);
  EXPECT_EQ(first.begin, 1u);
  EXPECT_EQ(matcher.find("xabcd", 0).id, 2);
  EXPECT_EQ(matcher.find("xabcx", 2).id, 3);
  EXPECT_EQ(matcher.find("xyz", 0).id, -1);
}

TEST(Utf8Stream, SymbolsComeOutWhole) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("a\xf0\x9f"), "a");
  EXPECT_EQ(stream.push("\x98"), "");
  EXPECT_EQ(stream.push("\x80"
                        "b"),
            "\xf0\x9f\x98\x80"
            "b");
  EXPECT_EQ(stream.push("\xe4\xbd"), "");
  EXPECT_EQ(stream.flush(), "\xef\xbf\xbd");
  EXPECT_EQ(stream.flush(), "");
}

TEST(Utf8Stream, InvalidBytesAreReplacedAtOnce) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("\xff"
                        "a"),
            "\xef\xbf\xbd"
            "a");
  EXPECT_EQ(stream.push("\xe4\xbd"
                        "x"),
            "\xef\xbf\xbd"
            "x");
}

}  // namespace
}  // namespace pith
