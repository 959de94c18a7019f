#include "eval/documents.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "eval/predictions.h"
#include "support/test_folder.h"

namespace pith::eval {
namespace {

DocumentRecord example(const std::string& id = "d-0000") {
  return {"suite",
          id,
          "0123",
          "",
          "The key is \"é\".\n",
          {{"d-0000/q00", {{11, 15}}, {{0, 3}}, {{10, 15}}}}};
}

class DocumentsTest : public testing::Test {
 protected:
  const test::TestFolder own_;
  const std::filesystem::path& folder_ = own_.path();
};

TEST(Documents, SurviveTheirLine) {
  const std::string line = to_line(example());
  EXPECT_EQ(to_line(parse_document(line)), line);
  EXPECT_EQ(parse_document(line).items[0].answers[0].end, 15);
}

TEST(Documents, RefuseSpansOutsideTheText) {
  DocumentRecord document = example();
  document.items[0].answers = {{5, 400}};
  EXPECT_THROW(parse_document(to_line(document)), Error);
  EXPECT_THROW(parse_document("{}"), Error);
  EXPECT_THROW(parse_document("[1"), Error);
}

TEST_F(DocumentsTest, AreWrittenOnceAndOutliveATornLine) {
  const auto file = folder_ / "documents.jsonl";
  DocumentLog(folder_, "predictions.jsonl").add(example());
  std::ofstream(file, std::ios::app) << R"({"suite": "su)";
  DocumentLog log(folder_, "predictions.jsonl");
  EXPECT_TRUE(log.has(example()));
  EXPECT_FALSE(log.has(example("d-0001")));
  log.add(example("d-0001"));
  EXPECT_EQ(read_documents(folder_).size(), 2u);
  EXPECT_EQ(read_file(file), to_line(example()) + "\n" + to_line(example("d-0001")) + "\n");
}

TEST_F(DocumentsTest, OfShardsAndWorkItemsAreReadTogether) {
  DocumentLog(folder_, "predictions-0-of-2.jsonl").add(example());
  DocumentLog(folder_, "predictions-1-of-2.jsonl").add(example("d-0001"));
  DocumentLog(folder_, "items/0123.jsonl").add(example("d-0002"));
  EXPECT_EQ(read_documents(folder_).size(), 3u);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "documents/0123.jsonl"));
  EXPECT_TRUE(DocumentLog(folder_, "predictions.jsonl").has(example("d-0002")));
}

TEST_F(DocumentsTest, OfOneTextTheLatestQuestionsHold) {
  DocumentRecord asked = example();
  asked.items.push_back({"d-0000/q01", {{4, 7}}, {}, {{4, 7}}});
  DocumentLog log(folder_, "predictions.jsonl");
  log.add(example());
  EXPECT_FALSE(log.has(asked));
  log.add(asked);
  EXPECT_FALSE(log.has(example()));  // asked again as before, it is written again
  const auto documents = read_documents(folder_);
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].items.size(), 2u);
}

TEST_F(DocumentsTest, OfARunWithoutTheFileAreNone) { EXPECT_TRUE(read_documents(folder_).empty()); }

}  // namespace
}  // namespace pith::eval
