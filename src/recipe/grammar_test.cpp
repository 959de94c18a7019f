#include "recipe/grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recipe/recipe_test_support.h"
#include "recipe/registry.h"
#include "support/error_of.h"

namespace pith::recipe {
namespace {

using test::error_of;

std::string canonical(std::string_view text) { return Recipe::parse(text).to_string(); }
std::string refusal(std::string_view text) {
  return error_of([&] { Recipe::parse(text); });
}

TEST(Grammar, ABareScorerIsCompleted) {
  EXPECT_EQ(canonical("snapkv @ 0.75"), "snapkv + uniform + drop + bf16 @ 0.75");
  EXPECT_EQ(canonical("kvzip @ 4x"), "kvzip + global + drop + bf16 @ 4x");
  EXPECT_EQ(canonical("  knorm\n+ f32@1024tok "), "knorm + uniform + drop + f32 @ 1024tok");
}

TEST(Grammar, OnlyWhatDiffersFromTheDefaultIsPrinted) {
  EXPECT_EQ(canonical("snapkv(window=64, kernel=7) @ 0.5"),
            "snapkv(kernel=7) + uniform + drop + bf16 @ 0.5");
  EXPECT_EQ(canonical("expected_attention(epsilon=1e-2) + adakv(floor=0.20) @ 4.0x"),
            "expected_attention(epsilon=0.01) + adakv + drop + bf16 @ 4x");
}

TEST(Grammar, ABareValueNamesTheFirstParameter) {
  EXPECT_EQ(canonical("attention(max) + positions @ 3x"),
            "attention(mode=max) + positions + drop + bf16 @ 3x");
  EXPECT_EQ(canonical("attention(tail, window=8) @ 3x"),
            "attention(mode=tail, window=8) + uniform + drop + bf16 @ 3x");
}

TEST(Grammar, PartsMayComeInAnyOrder) {
  EXPECT_EQ(canonical("f32 + rerotate + adakv + pins(recent=8) + knorm @ 0.5"),
            "knorm + pins(recent=8) + adakv + rerotate + f32 @ 0.5");
}

TEST(Grammar, StagesChain) {
  const Recipe recipe = Recipe::parse("knorm @ 0.5 then snapkv(window=32) + adakv @ 4x");
  EXPECT_EQ(recipe.stages(), 2);
  EXPECT_EQ(
      recipe.to_string(),
      "knorm + uniform + drop + bf16 @ 0.5 then snapkv(window=32) + adakv + drop + bf16 @ 4x");
}

TEST(Grammar, BudgetsPrintAsTheyWereMeant) {
  for (const char* budget : {"0.9", "10x", "2.5x", "1024tok", "64MiB", "1GiB", "3KiB", "1.5KiB"})
    EXPECT_EQ(canonical(std::string("knorm @ ") + budget),
              std::string("knorm + uniform + drop + bf16 @ ") + budget);
  EXPECT_EQ(canonical("knorm @ 1024KiB"), "knorm + uniform + drop + bf16 @ 1MiB");
  EXPECT_EQ(canonical("knorm @ 1.5GiB"), "knorm + uniform + drop + bf16 @ 1536MiB");
}

TEST(Grammar, ABudgetIsNamedOutsideOfQuotes) {
  EXPECT_TRUE(names_budget("knorm @ 2x then snapkv"));
  EXPECT_FALSE(names_budget("virtual(encoder=\"a@b\") then snapkv"));
}

TEST(Grammar, FullIsNoCompression) {
  EXPECT_TRUE(Recipe::parse("full").is_full());
  EXPECT_TRUE(Recipe::parse("no_press").is_full());
  EXPECT_EQ(canonical("full"), "full");
  EXPECT_EQ(
      refusal("full @ 0.5"),
      "recipe \"full @ 0.5\", column 1: \"full\" stands alone: no arguments, parts, budget or "
      "stages");
  EXPECT_EQ(refusal("knorm @ 0.5 then full"),
            "recipe \"knorm @ 0.5 then full\", column 18: \"full\" stands alone");
}

TEST(Grammar, PresetsAreExpandedAndTakeArguments) {
  EXPECT_EQ(canonical("adakv_snapkv(window=16) @ 0.5"),
            "snapkv(window=16) + adakv + drop + bf16 @ 0.5");
  EXPECT_EQ(canonical("streaming_llm(n_sink=8) @ 0.5"),
            "recency + pins(sinks=8) + uniform + drop + bf16 @ 0.5");
  EXPECT_EQ(canonical("summary_route"), "attention + route + summary + bf16");
  EXPECT_EQ(canonical("summary_route(k=1, r=256, chunk=16, exact_policy=recent, "
                      "drop_summary_of_routed=1, route_scope=per_layer, weight=log_count)"),
            "attention + route(chunks=1, retain=256, chunk=16, scope=per_layer, exact=recent) + "
            "summary(chunk=16, weight=log_count, of_routed=drop) + bf16");
  EXPECT_EQ(Recipe::parse(" adakv_snapkv @ 0.5 ").name(), "adakv_snapkv @ 0.5");
}

TEST(Grammar, RecipesSayWhetherTheySeeTheQuestion) {
  EXPECT_FALSE(Recipe::parse("snapkv @ 0.5").sees_question());
  EXPECT_TRUE(Recipe::parse("question_attention @ 0.5").sees_question());
  EXPECT_TRUE(Recipe::parse("summary_route").sees_question());
  EXPECT_FALSE(Recipe::parse("s0_random_route").sees_question());
  EXPECT_FALSE(Recipe::parse("s0_summary_only").sees_question());
}

TEST(Grammar, NeedsAreTheUnionOverPartsAndStages) {
  const SignalNeeds needs = Recipe::parse("tova @ 0.5 then snapkv(window=32) @ 0.5").needs();
  EXPECT_EQ(needs, (SignalNeeds{.window_queries = 32}));
  EXPECT_EQ(Recipe::parse("expected_attention(n_sink=8) @ 0.5").needs(),
            (SignalNeeds{.query_moments = true, .moments_skip = 8}));
  EXPECT_EQ(Recipe::parse("full").needs(), SignalNeeds{});
}

TEST(Grammar, WhatIsReplayedDoesNotDependOnOtherRecipes) {
  const auto needs = [](const char* recipe) { return Recipe::parse(recipe).needs(); };
  EXPECT_EQ(needs("knorm + match @ 4x").replay_chunk, kReplayChunk);
  EXPECT_EQ(needs("kvzip_plus(chunk=512) + match @ 4x").replay_chunk, 512);
  EXPECT_EQ(needs("knorm @ 2x then kvzip(chunk=512) @ 4x then knorm + match @ 8x").replay_chunk,
            512);
  EXPECT_EQ(needs("snapkv @ 4x").replay_chunk, 0);
  EXPECT_THAT(error_of([&] {
                SignalNeeds both = needs("kvzip_plus(chunk=256) + global @ 4x");
                both |= needs("knorm + match @ 4x");
              }),
              ::testing::HasSubstr("replays by chunks of 256 and 2048 are asked for"));
}

TEST(Grammar, SlipsAreNamedWithTheirColumn) {
  EXPECT_EQ(
      refusal("snapvk @ 0.5"),
      "recipe \"snapvk @ 0.5\", column 1: there is no part or preset \"snapvk\"; did you mean "
      "\"snapkv\"? (`pith recipes` lists all)");
  EXPECT_EQ(
      refusal("snapkv(windw=3) @ 0.5"),
      "recipe \"snapkv(windw=3) @ 0.5\", column 8: snapkv has no parameter \"windw\"; did you "
      "mean \"window\"?");
  EXPECT_EQ(refusal("attention(summ) @ 0.5"),
            "recipe \"attention(summ) @ 0.5\", column 11: mode=summ is out of range: one of sum, "
            "max, tail was expected; did you mean \"sum\"?");
  EXPECT_EQ(
      refusal("snapkv(window=0) @ 0.5"),
      "recipe \"snapkv(window=0) @ 0.5\", column 8: window=0 is out of range: an integer from "
      "1 to 4096 was expected");
  EXPECT_EQ(refusal("knorm(3) @ 0.5"),
            "recipe \"knorm(3) @ 0.5\", column 7: knorm has no parameters");
  EXPECT_EQ(refusal("snapkv(8, window=8) @ 0.5"),
            "recipe \"snapkv(8, window=8) @ 0.5\", column 11: window of snapkv is given twice");
  EXPECT_EQ(refusal("snapkv(8, 5) @ 0.5"),
            "recipe \"snapkv(8, 5) @ 0.5\", column 11: only the first value may come without its "
            "name; write key=5");
  EXPECT_EQ(refusal("adakv_snapkv(wndow=8) @ 0.5"),
            "recipe \"adakv_snapkv(wndow=8) @ 0.5\", column 14: adakv_snapkv has no parameter "
            "\"wndow\"; did you mean \"window\"?");
  EXPECT_EQ(refusal("snapkv(kernel=4) @ 0.5"),
            "recipe \"snapkv(kernel=4) @ 0.5\", column 1: snapkv: kernel must be odd");
}

TEST(Grammar, SyntaxErrorsSayWhatWasExpected) {
  EXPECT_EQ(refusal(""), "recipe \"\", column 1: the name of a part or preset was expected here");
  EXPECT_EQ(refusal("knorm +"),
            "recipe \"knorm +\", column 8: the name of a part or preset was expected here");
  EXPECT_EQ(refusal("snapkv(window=8 @ 0.5"),
            "recipe \"snapkv(window=8 @ 0.5\", column 17: \")\" or \",\" was expected here");
  EXPECT_EQ(refusal("snapkv((8)) @ 0.5"),
            "recipe \"snapkv((8)) @ 0.5\", column 8: a value was expected here");
  EXPECT_EQ(refusal("knorm @ 0.5 # half"),
            "recipe \"knorm @ 0.5 # half\", column 13: \"#\" was not expected here; after a part "
            "come \"+\", \"@ budget\" or \"then\"");
  EXPECT_EQ(
      refusal("knorm @ 4"),
      "recipe \"knorm @ 4\", column 9: \"4\" is no budget; expected a fraction to remove below "
      "1 (0.9), a ratio in bytes (10x), entries per lane (1024tok), bytes (64MiB), or "
      "auto(risk=0.1) with a risk from 0.001 to 0.5");
  EXPECT_THAT(refusal("snapkv @ 10% then int4"), ::testing::HasSubstr(": \"10%\" is no budget"));
  EXPECT_THAT(refusal("snapkv @ 4 x"), ::testing::HasSubstr(": \"4 x\" is no budget"));
  EXPECT_THAT(refusal("SNAPKV @ 4x"), ::testing::HasSubstr("did you mean \"snapkv\"?"));
  for (const char* bad : {"-1", "1", "nanx", "0.5x", "0tok", "1e99MiB", "5 tok", "0.5.5", "inf"})
    EXPECT_THROW(Recipe::parse(std::string("knorm @ ") + bad), Error) << bad;
}

TEST(Grammar, CombinationsThatCannotBeAreRefusedByName) {
  EXPECT_EQ(refusal("snapkv + knorm @ 0.5"),
            "recipe \"snapkv + knorm @ 0.5\", column 10: a stage has one scorer, but snapkv and "
            "knorm are given; stages chain with \"then\"");
  EXPECT_EQ(refusal("knorm + adakv + uniform @ 0.5"),
            "recipe \"knorm + adakv + uniform @ 0.5\", column 17: a stage has one allocator, but "
            "adakv and uniform are given; stages chain with \"then\"");
  EXPECT_EQ(refusal("adakv @ 0.5"),
            "recipe \"adakv @ 0.5\", column 1: adakv needs a scorer, for "
            "example \"snapkv + adakv\"");
  EXPECT_EQ(refusal("pins @ 0.5"),
            "recipe \"pins @ 0.5\", column 1: a scorer is missing, which says what stays: for "
            "example \"snapkv + pins @ 0.5\"");
  EXPECT_EQ(
      refusal("int4 @ 4x"),
      "recipe \"int4 @ 4x\", column 1: a scorer is missing, which says what stays: for example "
      "\"snapkv + int4 @ 4x\"; or \"int4\" without a budget, which keeps all");
  EXPECT_EQ(refusal("knorm"),
            "recipe \"knorm\", column 1: a budget is missing: how much to remove (\"@ 0.5\"), a "
            "ratio (\"@ 4x\"), entries per lane (\"@ 1024tok\") or bytes (\"@ 64MiB\")");
  EXPECT_EQ(refusal("knorm + summary @ 0.5"),
            "recipe \"knorm + summary @ 0.5\", column 1: summary works with the allocator route "
            "only, not with uniform");
  EXPECT_EQ(refusal("summary_route(retain=64) @ 10x"),
            "recipe \"summary_route(retain=64) @ 10x\", column 1: route(retain=...) and the budget "
            "@ 10x both say how much stays: give one");
  EXPECT_EQ(
      refusal("chunkkv(quirk=kvpress) @ 4x"),
      "recipe \"chunkkv(quirk=kvpress) @ 4x\", column 1: chunk_mean(quirk=kvpress) works with "
      "a budget in fractions only, such as \"@ 0.5\"");
  EXPECT_EQ(
      refusal("expected_attention @ 0.5 then expected_attention(n_sink=8) @ 0.5"),
      "recipe \"expected_attention @ 0.5 then expected_attention(n_sink=8) @ 0.5\", column 1: "
      "query statistics without the first 4 and 8 tokens are asked for, and only one can be had of "
      "one reading; give both the same n_sink, or run them apart");
  EXPECT_THAT(refusal("attention(max, normalise=true) @ 2x"),
              ::testing::HasSubstr("attention: normalise divides a sum"));
  EXPECT_THAT(refusal("echo @ 4x then echo(chunk=64) @ 8x"),
              ::testing::HasSubstr("echoes by chunks of 384 and 64"));
  EXPECT_THAT(refusal("kvzip @ 4x then kvzip_plus(chunk=512) @ 8x"),
              ::testing::HasSubstr("replays by chunks of 2048 and 512"));
  EXPECT_NO_THROW(Recipe::parse("kvzip + match @ 4x then kvzip + match(references=64) @ 8x"));
}

TEST(Grammar, TheGuardsBudgetHasARisk) {
  const Recipe recipe = Recipe::parse("kvzip_plus @ auto");
  EXPECT_EQ(recipe.to_string(), "kvzip_plus + global + drop + bf16 @ auto(risk=0.1)");
  EXPECT_EQ(recipe.risk(), 0.1);
  EXPECT_EQ(Recipe::parse("snapkv @ auto( risk = 0.1 )").risk(), 0.1);
  EXPECT_EQ(Recipe::parse("snapkv @ auto(0.2)").to_string(),
            "snapkv + uniform + drop + bf16 @ auto(risk=0.2)");
  EXPECT_EQ(Recipe::parse("snapkv @ 4x").risk(), std::nullopt);
  EXPECT_EQ(recipe.at({BudgetUnit::ratio, 4}).to_string(),
            "kvzip_plus + global + drop + bf16 @ 4x");
  EXPECT_TRUE(recipe.needs().surprisal);
}

TEST(Grammar, AutoAloneIsTheDefaultRecipe) {
  EXPECT_EQ(Recipe::parse("auto").to_string(),
            "kvzip_plus + global + drop + int4 @ auto(risk=0.1)");
  EXPECT_EQ(Recipe::parse(" auto(risk=0.1) ").risk(), 0.1);
  EXPECT_EQ(Recipe::parse("auto").name(), "auto");
}

TEST(Grammar, TheGuardRefusesWhatItCannotClimb) {
  for (const auto& [text, word] : std::vector<std::pair<std::string, std::string>>{
           {"snapkv @ auto(risk=0)", "risk from 0.001 to 0.5"},
           {"snapkv @ auto(risk=0.6)", "risk from 0.001 to 0.5"},
           {"snapkv @ auto(rsk=0.1)", "is no budget"},
           {"snapkv @ automatic", "is no budget"},
           {"snapkv @ auto(0.1", "\")\" was expected here"},
           {"question_attention @ auto", "question_attention looks at the question"},
           {"snapkv + positions @ auto", "positions does not choose in one order"},
           {"snapkv + merge @ auto", "merge changes what is kept"},
           {"snapkv + critical @ auto", "critical chooses anew at every budget"},
           {"snapkv @ auto then knorm @ 2x", "recipes of one stage"}})
    EXPECT_NE(refusal(text).find(word), std::string::npos) << refusal(text);
}

TEST(Grammar, HostileTextIsBounded) {
  EXPECT_EQ(refusal(std::string(5000, 'a')),
            "recipe \"" + std::string(120, 'a') +
                "...\", column 4097: a recipe has at most 4096 characters, this one has 5000");
  std::string many = "knorm";
  for (int i = 0; i < 20; ++i) many += " + pins";
  EXPECT_NE(refusal(many + " @ 0.5").find("a stage has at most 16 parts"), std::string::npos);
  std::string stages = "knorm @ 0.5";
  for (int i = 0; i < 20; ++i) stages += " then knorm @ 0.5";
  EXPECT_NE(refusal(stages).find("a recipe has at most 16 stages"), std::string::npos);
  EXPECT_EQ(refusal("kn\x01rm"),
            "recipe \"kn?rm\", column 3: \"?\" was not expected here; after a part come \"+\", "
            "\"@ budget\" or \"then\"");
}

TEST(Nearest, OnlySlipsAreSuggested) {
  EXPECT_EQ(nearest("expectedattention", {"expected_attention", "attention"}),
            "expected_attention");
  EXPECT_EQ(nearest("expected", {"knorm", "expected_attention"}), "expected_attention");
  EXPECT_EQ(nearest("zzzzzz", {"knorm", "snapkv"}), std::nullopt);
}

TEST(Grammar, TextsMayBePathsAsTheyAreOrStandInQuotes) {
  const auto printed = [](std::string_view value) {
    return canonical("virtual(encoder=" + std::string(value) + ")");
  };
  const auto virtual_of = [](std::string_view argument) {
    return "virtual(encoder=" + std::string(argument) + ")";
  };
  const std::string rest = "prefix_only + ";
  EXPECT_EQ(printed("../enc-2x/smollm2_a.safetensors"),
            rest + virtual_of("../enc-2x/smollm2_a.safetensors") + " + bf16");
  EXPECT_EQ(printed("~/2x.st"), rest + virtual_of("~/2x.st") + " + bf16");
  EXPECT_EQ(printed("'plain.st'"), rest + virtual_of("plain.st") + " + bf16");
  EXPECT_EQ(printed("\"a b (1), @ 2x then ü\""),
            rest + virtual_of("\"a b (1), @ 2x then ü\"") + " + bf16");
  EXPECT_EQ(printed("'a \"b\" c'"), rest + virtual_of("\"a \"\"b\"\" c\"") + " + bf16");
  EXPECT_EQ(printed("'it''s'"), rest + virtual_of("\"it's\"") + " + bf16");
}

TEST(Grammar, TextsThatCannotBeKeptAreRefused) {
  EXPECT_EQ(refusal("virtual(encoder=\"a"),
            "recipe \"virtual(encoder=\"a\", column 17: the text that begins here is not closed by "
            "\"");
  for (const char* text : {"\"a\nb\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xc3\""})
    EXPECT_NE(refusal("virtual(encoder=" + std::string(text) + ")").find("UTF-8"),
              std::string::npos);
  EXPECT_NE(refusal("virtual(encoder='')").find("a text of 1 to 1024 bytes"), std::string::npos);
  EXPECT_NE(refusal("virtual(steps=1/2)").find("steps=1/2 is out of range"), std::string::npos);
}

// With an encoder there are no steps unless some are asked for, be it the usual number.
TEST(Grammar, DefaultsMayDependOnAnotherParameter) {
  EXPECT_EQ(canonical("virtual(steps=300)"), "prefix_only + virtual + bf16");
  EXPECT_EQ(canonical("virtual(encoder=e.st, steps=0, least_steps=0)"),
            "prefix_only + virtual(encoder=e.st) + bf16");
  EXPECT_EQ(canonical("virtual(steps=300, encoder=e.st)"),
            "prefix_only + virtual(steps=300, encoder=e.st) + bf16");
  EXPECT_EQ(canonical("virtual(encoder=none)"), "prefix_only + virtual + bf16");
  Arguments arguments(find_part("virtual")->parameters);
  EXPECT_EQ(arguments.integer("steps"), 300);
  EXPECT_EQ(arguments.text("encoder"), "");
  EXPECT_EQ(arguments.set("encoder", "e.st"), "");
  EXPECT_EQ(arguments.integer("steps"), 0);
  EXPECT_EQ(arguments.integer("least_steps"), 0);
  EXPECT_EQ(arguments.text("encoder"), "e.st");
}

}  // namespace
}  // namespace pith::recipe
