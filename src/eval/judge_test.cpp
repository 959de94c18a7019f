#include "eval/judge.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "eval/judge_text.h"

namespace pith::eval {
namespace {

Item asks(Metric metric, std::vector<std::string> references,
          std::vector<std::string> distractors = {}) {
  Item item;
  item.metric = metric;
  for (auto& text : references) item.references.push_back({std::move(text), {}});
  item.distractors = std::move(distractors);
  return item;
}

// The failure classes of S0 (sources.md section 1.5).
TEST(Judge, ClassesOfCodes) {
  const Item item = asks(Metric::code, {"AMBER-FOX-7261"}, {"TEAL-OTTER-4410", "RUBY-HERON-9032"});
  const auto failure = [&](std::string_view answer) {
    return to_string(judge(item, answer).failure);
  };
  EXPECT_EQ(failure(" amber-fox-7261."), "none");
  EXPECT_EQ(failure("It is AMBER-FOX-7261, said the keeper."), "none");
  EXPECT_EQ(failure("AMBER-FOX-72613"), "partial");
  EXPECT_EQ(failure("AMBER-FOX-4410"), "crossover");
  EXPECT_EQ(failure("AMBER-OTTER-7261"), "crossover");
  EXPECT_EQ(failure("TEAL-OTTER-7261"), "crossover");
  EXPECT_EQ(failure("TEAL-OTTER-4410"), "other_fact");
  EXPECT_EQ(failure("TEAL-HERON-1234"), "other_fact");
  EXPECT_EQ(failure("AMBER-FOX-1111"), "partial");
  EXPECT_EQ(failure("AMBER-FOX-72"), "partial");
  EXPECT_EQ(failure("AMBER-"), "partial");
  EXPECT_EQ(failure("GREEN-COW-1234"), "fabricated");
  EXPECT_EQ(failure("a well-known number, 1234"), "fabricated");
  EXPECT_EQ(failure("I don't know."), "abstain");
  EXPECT_EQ(failure("the well-known RUBY-HERON-9032"), "other_fact");
  EXPECT_EQ(to_string(judge(item, "and on and on", false).failure), "unended");
  EXPECT_EQ(to_string(judge(item, "GREEN-COW-1234 and on", false).failure), "fabricated");
}

TEST(Judge, TheAnswerEndsAtAQuestionOfTheModelsOwn) {
  EXPECT_EQ(cut_answer("\n 12.\nQuestion: And then? 34", Cut::turn), "12.");
  EXPECT_EQ(cut_answer("12\nmore\n \n34", Cut::turn), "12\nmore");
  EXPECT_EQ(cut_answer(" 12\n34", Cut::first_line), "12");
  EXPECT_EQ(cut_answer(" 12\n\n34", Cut::whole), " 12\n\n34");
  EXPECT_EQ(cut_answer(" \n\n ", Cut::turn), "");
  const Item item = asks(Metric::contains_any, {"34"});
  EXPECT_EQ(judge(item, "12\n\nQuestion: What else? Answer: 34").score, 0);
}

TEST(Judge, ContainmentAsRulerScoresIt) {
  const Item all = asks(Metric::contains_all, {"alpha", "beta", "gamma", "delta"});
  EXPECT_DOUBLE_EQ(judge(all, "Alpha, gamma and DELTA").score, 0.75);
  EXPECT_EQ(judge(all, "Alpha, gamma and DELTA").failure, Failure::partial);
  EXPECT_FALSE(judge(all, "Alpha, gamma and DELTA").contained);
  EXPECT_TRUE(judge(all, "alpha, beta, gamma, delta.").exact);
  EXPECT_EQ(judge(asks(Metric::contains_any, {"alpha", "beta"}), "xBETAx").score, 1);
}

// sources.md section 8.
TEST(Judge, QaF1) {
  EXPECT_DOUBLE_EQ(token_f1("The answer is Paris.", "Paris"), 0.5);
  EXPECT_NEAR(token_f1("in the city of Paris, France", "Paris France"), 0.571429, 1e-6);
  EXPECT_DOUBLE_EQ(token_f1("a the an", "Paris"), 0);
  EXPECT_DOUBLE_EQ(token_f1("巴黎。", "巴黎"), 1);
  EXPECT_DOUBLE_EQ(token_f1("法国巴黎", "巴黎"), 2.0 / 3);
  const Verdict verdict = judge(asks(Metric::token_f1, {"Rome", "the Paris"}), "Paris!");
  EXPECT_EQ(verdict.score, 1);
  EXPECT_TRUE(verdict.exact);
}

TEST(Judge, ALongerAnswerIsNoWrongOne) {
  const auto right = [](const Item& item, std::string_view answer) {
    return is_right(item, judge(item, answer));
  };
  Item name = asks(Metric::token_f1, {"Berit Aas"});
  EXPECT_TRUE(right(name, "Berit Aas"));
  EXPECT_TRUE(right(name, "It was Berit Aas who signed."));
  EXPECT_LT(judge(name, "It was Berit Aas who signed.").score, 1);
  EXPECT_FALSE(right(name, "It was Berit."));
  EXPECT_FALSE(right(asks(Metric::contains_all, {"a1", "b2"}), "a1"));
  name.forbidden = {"Oslo"};
  EXPECT_FALSE(right(name, "Berit Aas of Oslo"));
}

TEST(Judge, Integers) {
  EXPECT_EQ(judge(asks(Metric::first_integer, {"71432"}), " 71432. Remember 1").score, 1);
  EXPECT_EQ(judge(asks(Metric::first_integer, {"71432"}), "1 or 71432").score, 0);
  EXPECT_EQ(judge(asks(Metric::first_integer, {"07"}), "7").score, 0);
  EXPECT_EQ(judge(asks(Metric::last_integer, {"-4"}), "func_3(2) gives -4.").score, 1);
  EXPECT_EQ(judge(asks(Metric::last_integer, {"4"}), "func-4").score, 1);
  EXPECT_DOUBLE_EQ(judge(asks(Metric::prefix, {"4", "14", "6", "9"}), "4, 14, 7, 9").score, 0.5);
  EXPECT_TRUE(judge(asks(Metric::prefix, {"4", "14"}), "4, 14, 7").contained);
  EXPECT_FALSE(judge(asks(Metric::prefix, {"4", "14"}), "14, 7").contained);
  EXPECT_DOUBLE_EQ(judge(asks(Metric::number_share, {"12"}), "Paragraph 12, or 13").score, 0.5);
}

TEST(Judge, WordsOfKeyValueAnswers) {
  const Item item = asks(Metric::word, {"c14cb8ba-002b"}, {"ffff-0000"});
  EXPECT_EQ(judge(item, "is: \"c14cb8ba-002b\".").score, 1);
  EXPECT_EQ(judge(item, "c14cb8ba-002bx").score, 0);
  EXPECT_EQ(judge(item, "ffff-0000").failure, Failure::other_fact);
}

TEST(Judge, LongBenchMeasures) {
  EXPECT_DOUBLE_EQ(rouge_l("the cat sat", "the cat was sat down"), 0.75);
  EXPECT_DOUBLE_EQ(edit_similarity("abcd", "abxd"), 0.75);
  EXPECT_DOUBLE_EQ(judge(asks(Metric::edit_similarity, {"x = 1"}), "# note\nx = 1\ny").score, 1);
  const Item classes = asks(Metric::classification, {"City name"}, {"City", "Number", "City name"});
  EXPECT_DOUBLE_EQ(judge(classes, "City name").score, 1);
  EXPECT_DOUBLE_EQ(judge(classes, "City name or Number").score, 0.5);
  EXPECT_DOUBLE_EQ(judge(classes, "City").score, 0);
}

TEST(Judge, Abstention) {
  for (const auto* text : {"I don't know", "I don’t know.", "It cannot be determined.", "Unknown",
                           "The text does not say who it was.", "It's not specified"})
    EXPECT_EQ(judge(asks(Metric::abstain, {}), text).score, 1) << text;
  for (const auto* text : {"Ines Calder", "I know: nothing", ""})
    EXPECT_EQ(judge(asks(Metric::abstain, {}), text).score, 0) << text;
}

TEST(Judge, Rules) {
  Item item = asks(Metric::follows, {});
  const auto score = [&](std::string rule, std::string_view answer) {
    item.rule = std::move(rule);
    return judge(item, answer).score;
  };
  EXPECT_EQ(score("ends_with:over", "The mill. OVER."), 1);
  EXPECT_EQ(score("ends_with:over", "Moreover"), 0);
  EXPECT_EQ(score("starts_with:Log entry:", "log entry - the mill"), 1);
  EXPECT_EQ(score("uppercase", "THE MILL, 7"), 1);
  EXPECT_EQ(score("uppercase", "7"), 0);
  EXPECT_EQ(score("max_words:3|one_line", "one two three four"), 0.5);
  EXPECT_EQ(score("not_contains:silver heron", "I may not say."), 1);
  EXPECT_EQ(score("not_contains:silver heron", "It is Silver-Heron!"), 0);
  EXPECT_EQ(judge(item, "silver heron").failure, Failure::broken_rule);
  EXPECT_THROW(score("shout", "x"), Error);
  EXPECT_THROW(score("max_words:few", "x"), Error);
}

TEST(Judge, RulesAreKeptByAllThatIsSaid) {
  Item item = asks(Metric::follows, {});
  item.cut = Cut::whole;
  item.rule = "one_line|not_contains:silver heron";
  EXPECT_EQ(judge(item, "\nI may not say.\n").score, 1);
  EXPECT_EQ(judge(item, "I may not say.\n\nBut it is silver heron.").score, 0);
}

TEST(Judge, WhatJudgesAFilesItemIsInItsKey) {
  Item item = asks(Metric::token_f1, {"Elmford"});
  const std::string before = judging_of("folder:mine", item);
  EXPECT_EQ(judging_of("folder:mine", item), before);
  item.references[0].text = "Elmstead";
  EXPECT_NE(judging_of("folder:mine", item), before);
  EXPECT_EQ(judging_of("needles", item), "");
}

TEST(Judge, MetricsHaveNames) {
  EXPECT_EQ(to_string(Metric::rouge_l), "rouge_l");
  EXPECT_EQ(metric_named("token_f1"), Metric::token_f1);
  EXPECT_EQ(metric_named("tokenf1"), std::nullopt);
}

TEST(Judge, WhatIsForbiddenMayOnlyBeDenied) {
  Item item;
  item.metric = Metric::keywords;
  item.references = {{"bold", {}}, {"code", {}}};
  item.forbidden = {"image", "web link"};
  for (const char* right :
       {"Bold and code.", "Bold, code, but no images or web links.",
        "Bold and code. Images are not supported; web links aren't either.",
        "bold and code, without image", "It doesn\xe2\x80\x99t handle images: bold, code",
        "bold, code, imagery, a web of links"})
    EXPECT_EQ(judge(item, right).score, 1) << right;
  for (const char* wrong :
       {"Bold, code and images.", "bold, code, web link",
        "It does not stop there. Bold, code, image", "Images, bold, code, not tables",
        "No tables. Bold, code; an IMAGE too"}) {
    EXPECT_EQ(judge(item, wrong).score, 0) << wrong;
    EXPECT_EQ(judge(item, wrong).failure, Failure::broken_rule) << wrong;
  }
  item.forbidden.clear();
  EXPECT_EQ(judge(item, "Bold, code and images.").score, 1);
}

}  // namespace
}  // namespace pith::eval
