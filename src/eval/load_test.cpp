#include "eval/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "eval/corpus.h"
#include "eval/judge.h"
#include "support/error_of.h"

namespace pith::eval {
namespace {

using testing::HasSubstr;

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("pith_load_" + unique())) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  static std::string unique() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    return std::string(test->name()) +
           std::to_string(::testing::UnitTest::GetInstance()->random_seed());
  }
  std::filesystem::path path_;
};

TEST(LoadFolder, ReadsDocumentsAndFindsTheAnswers) {
  const Folder folder;
  folder.write("log.txt", "The mill is in Elmford. Elmforder bread is good. Elmford!");
  folder.write("unasked.md", "nothing");
  folder.write(
      "questions.jsonl",
      "{\"document\": \"log.txt\", \"question\": \"Where?\", \"answers\": \"Elmford\"}\n\n"
      "{\"document\": \"log.txt\", \"question\": \"Loud?\", \"rule\": \"uppercase\", "
      "\"max_tokens\": 9}\n"
      "{\"document\": \"log.txt\", \"question\": \"What is good?\", \"answers\": [\"bread\"], "
      "\"metric\": \"keywords\", \"forbidden\": [\"butter\"]}\n");
  const auto documents = load_folder(folder.path());
  ASSERT_EQ(documents.size(), 1u);
  ASSERT_EQ(documents[0].items.size(), 3u);
  EXPECT_EQ(judge(documents[0].items[2], "bread and butter").score, 0);
  EXPECT_EQ(judge(documents[0].items[2], "bread, no butter").score, 1);
  const Item& item = documents[0].items[0];
  EXPECT_EQ(item.id, "log.txt/q00");
  ASSERT_EQ(item.references[0].spans.size(), 2u);
  EXPECT_EQ(item.references[0].spans[1].begin, 49);
  EXPECT_EQ(judge(item, "In Elmford").score, 2.0 / 3);
  EXPECT_EQ(documents[0].items[1].metric, Metric::follows);
  EXPECT_EQ(documents[0].items[1].cut, Cut::whole);  // a rule is kept by all that is said
  EXPECT_EQ(documents[0].items[1].max_tokens, 9);
}

TEST(LoadFolder, OneFolderIsOneSuiteHoweverItIsWritten) {
  const Folder folder;
  folder.write("log.txt", "The mill is in Elmford.");
  folder.write("questions.jsonl",
               R"({"document": "log.txt", "question": "Where?", "answers": "Elmford"})");
  const std::string name = "folder:" + folder.path().string();
  const auto count = [](std::string_view text) { return std::ssize(text); };
  const Corpus corpus({name + "/", name, name + "/."}, {}, count);
  ASSERT_EQ(corpus.size(), 1);
  EXPECT_EQ(corpus.suite(0), name);
}

TEST(LoadFolder, SaysFileAndLineOfWhatIsWrong) {
  const Folder folder;
  folder.write("log.txt", "text");
  const auto complaint = [&](const std::string& line) {
    folder.write("questions.jsonl", "\n" + line);
    return test::error_of([&] { load_folder(folder.path()); });
  };
  EXPECT_THAT(complaint("{\"document\": "), HasSubstr("questions.jsonl:2: not JSON at column 14"));
  EXPECT_THAT(complaint("{\"document\": 3e333}"), HasSubstr(":2: a number is too large"));
  EXPECT_THAT(complaint("[1]"), HasSubstr("questions.jsonl:2: array found; expected an object"));
  EXPECT_THAT(complaint("{\"question\": \"x\"}"), HasSubstr("\"document\" is missing"));
  EXPECT_THAT(complaint("{\"document\": \"../log.txt\"}"), HasSubstr("the name of a file"));
  EXPECT_THAT(complaint("{\"document\": \"log.pdf\"}"), HasSubstr("a .txt or .md file"));
  EXPECT_THAT(complaint("{\"document\": \"lag.txt\"}"), HasSubstr("is not in"));
  EXPECT_THAT(complaint("{\"document\": \"log.txt\", \"quest\": 1}"),
              HasSubstr("unknown field \"quest\""));
  const std::string begin = "{\"document\": \"log.txt\", \"question\": \"q\", ";
  EXPECT_THAT(complaint(begin + "\"answers\": []}"), HasSubstr("\"answers\" is empty"));
  EXPECT_THAT(complaint(begin + "\"answers\": [1]}"), HasSubstr("\"answers\" holds number"));
  EXPECT_THAT(complaint(begin + "\"answers\": \"a\", \"metric\": \"f1\"}"), HasSubstr("token_f1"));
  EXPECT_THAT(complaint(begin + "\"rule\": \"shout\"}"), HasSubstr("unknown rule \"shout\""));
  EXPECT_THAT(complaint(begin + "\"answers\": \"a\", \"max_tokens\": 0}"), HasSubstr("from 1 to"));
  EXPECT_THAT(complaint(std::string(100, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(complaint(""), HasSubstr("holds no questions"));
}

TEST(LoadRuler, SplitsBeforeTheLastQuestion) {
  const std::string line =
      "{\"index\": 0, \"input\": \"Text.\\nWhat is the special magic number for a? Text 71.\\nWhat "
      "is "
      "the special magic number for b-c mentioned in the provided text? The special magic number "
      "for "
      "b-c mentioned in the provided text is\", \"outputs\": [\"71\"], \"length\": 9}";
  const Folder folder;
  folder.write("niah_single_1/validation.jsonl", line + "\n");
  const auto documents = load_ruler(folder.path() / "niah_single_1" / "validation.jsonl");
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].text, "Text.\nWhat is the special magic number for a? Text 71.\n");
  const Item& item = documents[0].items[0];
  EXPECT_EQ(item.question,
            "What is the special magic number for b-c mentioned in the provided text?");
  EXPECT_EQ(item.answer_prefix,
            "The special magic number for b-c mentioned in the provided text is");
  EXPECT_EQ(item.task, "niah_single_1");
  EXPECT_EQ(item.references[0].spans[0].begin, 51);
  EXPECT_EQ(item.max_tokens, 128);
}

TEST(LoadRuler, RefusesWhatIsNotRuler) {
  EXPECT_THAT(test::error_of([] { parse_ruler("{}", "x.jsonl", "poem"); }), HasSubstr("\"poem\""));
  EXPECT_THAT(
      test::error_of([] { parse_ruler("{\"input\": \"hm\", \"outputs\": [\"a\"]}", "x", "vt"); }),
      HasSubstr("x:1: \"input\" holds no question of vt"));
  EXPECT_THAT(test::error_of([] { parse_ruler("\n", "x", "vt"); }), HasSubstr("no samples"));
}

TEST(LoadLongBench, TakesMetricLengthAndPromptFromTheTask) {
  const std::string line =
      "{\"input\": \"Who?\", \"context\": \"It was Ann.\", \"answers\": [\"Ann\", \"Anna\"], "
      "\"length\": 3, \"dataset\": \"hotpotqa\", \"language\": \"en\", \"all_classes\": null, "
      "\"_id\": \"7\"}";
  const auto own = parse_longbench(line, "x", "");
  EXPECT_THAT(own[0].items[0].question, HasSubstr("Question: Who?"));
  EXPECT_EQ(own[0].items[0].metric, Metric::token_f1);
  EXPECT_EQ(own[0].items[0].max_tokens, 32);
  const auto published =
      parse_longbench(line, "x", "{\"hotpotqa\": \"Read: {context}\\nThen {input}\\nAnswer:\"}");
  EXPECT_EQ(published[0].text, "Read: It was Ann.");
  EXPECT_EQ(published[0].items[0].question, "\nThen Who?\nAnswer:");
  EXPECT_EQ(published[0].items[0].tags.at("prompt"), "published");
  EXPECT_EQ(published[0].items[0].references[0].spans[0].begin, 13);
}

TEST(LoadLongBench, NumbersAndClasses) {
  const auto retrieval = parse_longbench(
      "{\"input\": \"s\", \"context\": \"c\", \"answers\": [\"Paragraph 12\"], \"dataset\": "
      "\"passage_retrieval_en\"}",
      "x", "");
  EXPECT_EQ(judge(retrieval[0].items[0], "Paragraph 12").score, 1);
  const auto classes = parse_longbench(
      "{\"input\": \"s\", \"context\": \"c\", \"answers\": [\"City\"], \"dataset\": \"trec\", "
      "\"all_classes\": [\"City\", \"Food\"]}",
      "x", "");
  EXPECT_EQ(judge(classes[0].items[0], "City\nFood").score, 1);
  EXPECT_EQ(judge(classes[0].items[0], "City, Food").score, 0.5);
  EXPECT_THAT(test::error_of([] { parse_longbench("{\"dataset\": \"poems\"}", "x", ""); }),
              HasSubstr("x:1: \"dataset\" is \"poems\""));
}

}  // namespace
}  // namespace pith::eval
