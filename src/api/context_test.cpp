#include <gmock/gmock.h>

#include <stdexcept>
#include <thread>

#include "api/api_test_support.h"
#include "engine/guard/guard_table.h"

namespace pithkv {
namespace {

using test::kDocument;
using test::refusal;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using ContextTest = test::ApiTest;

TEST_F(ContextTest, CompressesAForkAndStaysWhole) {
  const Context whole = engine().read(kDocument, {.recipes = {"snapkv @ 4x", "knorm @ 2x"}});
  const auto bytes = whole.cache_bytes();
  const Context small = whole.compress("snapkv @ 4x"), other = whole.compress("knorm @ 2x");
  EXPECT_LT(small.entries(), other.entries());
  EXPECT_LT(small.cache_bytes(), other.cache_bytes());
  EXPECT_EQ(whole.cache_bytes(), bytes);
  EXPECT_EQ(small.tokens(), whole.tokens());
  EXPECT_EQ(small.full_bytes(), whole.full_bytes());
  EXPECT_EQ(whole.recipe(), "full");
  EXPECT_EQ(small.recipe(), "snapkv @ 4x");
  EXPECT_EQ(small.note(), "");
}

TEST_F(ContextTest, ChecksWhatACompressedCacheRepeats) {
  const Context whole = engine().read(kDocument, {.recipes = {"streaming_llm @ 2x"}});
  const Context small = whole.compress("streaming_llm @ 2x");
  const Check same = whole.check(whole.fork()), less = whole.check(small);
  EXPECT_EQ(same.rise, 0);
  EXPECT_EQ(same.known, less.known);
  EXPECT_GE(less.spans, 1);
  EXPECT_NE(less.rise, 0);
  EXPECT_THAT(refusal([&] { small.check(whole); }),
              AllOf(StartsWith("bad_input: "), HasSubstr("streaming_llm @ 2x")));
  whole.save(folder_ / "whole.pith");
  EXPECT_THAT(refusal([&] { Context::load(engine(), folder_ / "whole.pith").check(small); }),
              AllOf(StartsWith("bad_input: "), HasSubstr("comes from a file")));
  EXPECT_THAT(refusal([&] { whole.check(engine().read("Another document.")); }),
              AllOf(StartsWith("bad_input: "), HasSubstr("different texts")));
  EXPECT_THAT(refusal([&] { whole.check(small, [](auto, auto, auto) { return false; }); }),
              StartsWith("cancelled: "));
}

TEST_F(ContextTest, AnswersOnForks) {
  const Context whole =
      engine().read(kDocument, {.recipes = {"knorm @ 2x"}, .system = "You answer in one word."});
  const Answer first = whole.ask("Who signs?", {.max_tokens = 5});
  EXPECT_EQ(whole.ask("Who signs?", {.max_tokens = 5}).tokens, first.tokens);
  EXPECT_EQ(whole.fork().ask("Who signs?", {.max_tokens = 5}).tokens, first.tokens);
  EXPECT_LE(first.tokens.size(), 5u);
  const AskOptions drawn{.max_tokens = 20, .temperature = 2, .seed = 1};
  EXPECT_EQ(whole.ask("Who signs?", drawn).tokens, whole.ask("Who signs?", drawn).tokens);
}

TEST_F(ContextTest, TellsAnAnswerPieceByPiece) {
  const Context context = engine().read(kDocument);
  std::string told;
  const Answer answer = context.ask("Who signs?", {.max_tokens = 20, .on_text = [&](auto piece) {
                                                     told += piece;
                                                     return true;
                                                   }});
  EXPECT_EQ(told, answer.text);
  const Answer cut =
      context.ask("Who signs?", {.max_tokens = 20, .on_text = [](auto) { return false; }});
  EXPECT_EQ(cut.stop_reason, StopReason::cancelled);
  EXPECT_LT(cut.tokens.size(), answer.tokens.size());
}

TEST_F(ContextTest, WhatOnTextThrowsIsThrownOn) {
  const Context context = engine().read(kDocument);
  const OnText fails = [](std::string_view) -> bool { throw std::out_of_range("the caller's"); };
  EXPECT_THROW(context.ask("Who signs?", {.on_text = fails}), std::out_of_range);
  EXPECT_NO_THROW(context.ask("Who signs?", {.max_tokens = 2}));
}

TEST_F(ContextTest, OnTextMayNotCallTheEngineThatWrites) {
  const Context context = engine().read(kDocument), other = engine().read(kDocument);
  const auto ask_within = [&](const Context& inner) {
    return refusal([&] {
      context.ask("Who signs?", {.max_tokens = 3, .on_text = [&](auto) {
                                   inner.ask("Who?", {.max_tokens = 1});
                                   return true;
                                 }});
    });
  };
  EXPECT_THAT(ask_within(context), AllOf(StartsWith("bad_input: "), HasSubstr("on_text")));
  EXPECT_EQ(ask_within(other), "no error");
}

TEST_F(ContextTest, ThreadsTakeTurns) {
  const Context context = engine().read(kDocument, {.recipes = {"knorm @ 2x"}});
  const auto work = [&] {
    return context.compress("knorm @ 2x").ask("Who signs?", {.max_tokens = 8}).tokens;
  };
  const auto alone = work();
  std::vector<std::vector<Token>> found(4);
  std::vector<std::thread> threads;
  for (auto& one : found) threads.emplace_back([&work, &one] { one = work(); });
  for (auto& thread : threads) thread.join();
  for (const auto& one : found) EXPECT_EQ(one, alone);
}

TEST_F(ContextTest, RecipesThatLookAtTheQuestionNeedIt) {
  const Context whole = engine().read(kDocument, {.recipes = {"question_attention @ 0.5"}});
  EXPECT_THAT(refusal([&] { whole.compress("question_attention @ 0.5"); }),
              AllOf(StartsWith("bad_input: "), HasSubstr("looks at the question")));
  EXPECT_LT(whole.compress("question_attention @ 0.5", {.question = "Who signs?"}).entries(),
            whole.entries());
}

TEST_F(ContextTest, PackedFormatsNeedNotBeNamed) {
  const auto answer = [&](const std::vector<std::string>& named) {
    const Context whole = engine().read(kDocument, {.recipes = named});
    return whole.compress("knorm + int4 @ 4x").ask("Who signs?", {.max_tokens = 8}).tokens;
  };
  EXPECT_EQ(answer({}), answer({"knorm + int4 @ 4x"}));
}

// What was collected with other parameters looks the same, but is something else.
TEST_F(ContextTest, SignalsOfOtherParametersDoNotServe) {
  const std::pair<const char*, const char*> pairs[] = {
      {"expected_attention @ 2x", "expected_attention(n_sink=16) @ 2x"},
      {"echo @ 2x", "echo(chunk=64) @ 2x"},
      {"raw_attention @ 2x", "raw_attention(window=8) @ 2x"},
      {"kvzip @ 2x", "kvzip(chunk=64) @ 2x"}};
  for (const auto& [named, other] : pairs) {
    const Context whole = engine().read(kDocument, {.recipes = {named}});
    EXPECT_EQ(refusal([&] { whole.compress(named); }), "no error") << named;
    EXPECT_THAT(refusal([&] { whole.compress(other); }),
                AllOf(StartsWith("bad_input: "), HasSubstr("signals that were not collected")))
        << other;
  }
}

TEST_F(ContextTest, WhatIsKnownOfEveryDocumentNeedNotBeNamed) {
  const Context whole = engine().read(kDocument);
  EXPECT_EQ(refusal([&] {
              whole.compress("route(borders=sentence, retain=0, chunk=16)",
                             {.question = "Who signs?"});
            }),
            "no error");
  EXPECT_EQ(refusal([&] { whole.compress("spaced + learned(steps=1) @ 2x"); }), "no error");
}

TEST_F(ContextTest, RefusesWhatItCannotCompress) {
  const Context whole = engine().read(kDocument, {.recipes = {"knorm @ 2x"}});
  EXPECT_THAT(refusal([&] { whole.compress("knorm @ 2x").compress("knorm @ 4x"); }),
              AllOf(StartsWith("bad_input: "), HasSubstr("compressed already, by `knorm @ 2x`")));
  EXPECT_THAT(refusal([&] { whole.compress("snapkv @ 2x"); }),
              AllOf(StartsWith("bad_input: "), HasSubstr("`snapkv @ 2x` looks at signals that"),
                    HasSubstr("name it in `recipes`")));
  EXPECT_THAT(refusal([&] { whole.compress("knorm + global @ auto"); }),
              AllOf(StartsWith("bad_input: "), HasSubstr("name it in `recipes`")));
  EXPECT_THAT(refusal([&] { whole.compress("knorm @ 1B"); }), StartsWith("bad_budget: "));
  EXPECT_THAT(refusal([&] { whole.ask("Who?", {.max_tokens = -1}); }),
              AllOf(StartsWith("bad_input: "), HasSubstr("max_tokens=-1")));
  EXPECT_THAT(refusal([&] { whole.ask(" "); }), StartsWith("bad_input: "));
}

TEST_F(ContextTest, TellsHowFarItIs) {
  std::vector<std::string> told;
  const auto tell = [&](std::string_view what, std::int64_t done, std::int64_t all) {
    EXPECT_LE(done, all);
    if (told.empty() || told.back() != what) told.emplace_back(what);
    return true;
  };
  engine().read(kDocument, {.recipes = {"kvzip_plus + global @ 2x"}, .on_progress = tell});
  EXPECT_THAT(told, ElementsAre("reading", "replaying"));
}

TEST_F(ContextTest, GivesUpWhenToldTo) {
  const Engine engine = this->engine();
  const auto never = [](auto...) { return false; };
  EXPECT_THAT(refusal([&] { engine.read(kDocument, {.on_progress = never}); }),
              StartsWith("cancelled: "));
  const std::string recipe = "spaced + learned(steps=50) @ 2x";
  const Context whole = engine.read(kDocument, {.recipes = {recipe}});
  EXPECT_THAT(refusal([&] { whole.compress(recipe, {.on_progress = never}); }),
              StartsWith("cancelled: "));
  EXPECT_EQ(whole.ask("Who signs?", {.max_tokens = 4}).tokens,  // nothing has changed
            engine.read(kDocument).ask("Who signs?", {.max_tokens = 4}).tokens);
  const auto calls_back = [&](auto...) { return engine.read(kDocument).tokens() > 0; };
  EXPECT_THAT(refusal([&] { engine.read(kDocument, {.on_progress = calls_back}); }),
              AllOf(StartsWith("bad_input: "), HasSubstr("load a second engine")));
}

TEST_F(ContextTest, RefusesBeforeItReads) {
  const Engine engine = this->engine();
  EXPECT_THAT(refusal([&] { engine.read(""); }), StartsWith("bad_input: "));
  EXPECT_THAT(refusal([&] { engine.read(kDocument, {.recipes = {"snapvk @ 2x"}}); }),
              StartsWith("bad_recipe: "));
  EXPECT_THAT(refusal([&] { engine.read(kDocument, {.recipes = {"snapkv @ auto"}}); }),
              AllOf(StartsWith("not_found: "), HasSubstr("pith calibrate")));
}

// A table as a calibration leaves it, whose 19 documents lost nothing up to 4x.
void calibrate(const std::string& model) {
  const std::string parts = "knorm + global + drop + bf16";
  const std::vector<double> signals = {1, 2, 9}, losses = {0, 0, 1};
  pith::GuardTable table{.model_hash = pith::Engine::load(model)->model().hash(),
                         .recipe = parts,
                         .documents = "boxes",
                         .ladder = {2, 4, 8},
                         .records = {19, {signals, losses}}};
  pith::save_guard_table(table, model + ".guard.json");
}

TEST_F(ContextTest, AutoPicksTheRatio) {
  const Engine engine = this->engine();
  calibrate(tiny());
  std::string document;
  for (int i = 0; i < 3; ++i) document += kDocument;
  const Context whole = engine.read(document, {.recipes = {"knorm + global @ auto"}});
  const Context small = whole.compress("knorm + global @ auto");
  EXPECT_THAT(small.recipe(), ::testing::MatchesRegex("knorm \\+ global.* @ [248]x"));
  std::string told;
  whole.compress("knorm + global @ auto", {.on_progress = [&](auto what, auto done, auto all) {
                   EXPECT_LE(done, all);
                   told += what.substr(0, 2);
                   return true;
                 }});
  EXPECT_THAT(told, StartsWith("ch"));
  const auto never = [](auto...) { return false; };
  EXPECT_THAT(refusal([&] { whole.compress("knorm + global @ auto", {.on_progress = never}); }),
              StartsWith("cancelled: "));
  EXPECT_LT(small.cache_bytes(), whole.cache_bytes());
}

TEST_F(ContextTest, ASavedOneAnswersAsBefore) {
  const Engine engine = this->engine();
  const Context small = engine.read(kDocument, {.recipes = {"knorm @ 2x"}}).compress("knorm @ 2x");
  small.save(folder_ / "small.pith");
  const Context loaded = Context::load(engine, folder_ / "small.pith");
  EXPECT_EQ(loaded.ask("Who signs?").tokens, small.ask("Who signs?").tokens);
  EXPECT_EQ(loaded.recipe(), canonical_recipe("knorm @ 2x"));
  EXPECT_EQ(loaded.entries(), small.entries());
  EXPECT_THAT(refusal([&] { loaded.compress("knorm @ 4x"); }), HasSubstr("compressed already"));
}

TEST_F(ContextTest, ASavedWholeOneCannotBeCompressed) {
  const Engine engine = this->engine();
  engine.read(kDocument, {.recipes = {"knorm @ 2x"}}).save(folder_ / "whole.pith");
  const Context loaded = Context::load(engine, folder_ / "whole.pith");
  EXPECT_EQ(loaded.recipe(), "full");
  EXPECT_THAT(refusal([&] { loaded.compress("knorm @ 2x"); }),
              AllOf(StartsWith("bad_input: "), HasSubstr("compress before saving")));
}

TEST_F(ContextTest, FilesBelongToAModel) {
  engine().read(kDocument).save(folder_ / "whole.pith");
  EXPECT_THAT(refusal([&] { Context::load(engine(2), folder_ / "whole.pith"); }),
              StartsWith("bad_input: "));
  EXPECT_THAT(refusal([&] { Context::load(engine(), folder_ / "none.pith"); }),
              StartsWith("not_found: "));
  EXPECT_THAT(refusal([&] { engine().read(kDocument).save(folder_ / "none" / "whole.pith"); }),
              StartsWith("not_found: "));
}

}  // namespace
}  // namespace pithkv
