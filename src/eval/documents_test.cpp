#include "eval/documents.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "eval/predictions.h"

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
  void SetUp() override {
    path_ = std::filesystem::temp_directory_path() /
            (std::string("pith_documents_") +
             testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove(path_);
  }
  void TearDown() override { std::filesystem::remove(path_); }
  std::filesystem::path path_;
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
  {
    DocumentLog log(path_);
    log.add(example());
  }
  std::ofstream(path_, std::ios::app) << R"({"suite": "su)";
  DocumentLog log(path_);
  EXPECT_TRUE(log.has("suite", "d-0000", "0123"));
  EXPECT_FALSE(log.has("suite", "d-0000", "other text"));
  log.add(example("d-0001"));
  EXPECT_EQ(read_documents(path_).size(), 2u);
  EXPECT_EQ(read_file(path_), to_line(example()) + "\n" + to_line(example("d-0001")) + "\n");
}

TEST_F(DocumentsTest, OfARunWithoutTheFileAreNone) { EXPECT_TRUE(read_documents(path_).empty()); }

}  // namespace
}  // namespace pith::eval
