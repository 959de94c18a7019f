#include "eval/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "eval/report/answers.h"
#include "eval/report/excerpt.h"
#include "eval/report/gather.h"
#include "eval/report/tables.h"

namespace pith::eval {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kHostile = "</script><script>alert(1)</script><!-- \" ' & \xe2\x80\xa8";

Survival survival(double kept, double evicted, std::vector<double> by_token) {
  return {.tokens = std::ssize(by_token),
          .kept = kept,
          .summarised = 0,
          .evicted = evicted,
          .layers = 0,
          .kept_by_layer = {kept, kept},
          .kept_by_token = by_token};
}

Prediction prediction(const std::string& recipe, int document, double score) {
  Prediction p;
  p.suite = "s";
  p.task = "t";
  p.document = "d" + std::to_string(document);
  p.item = p.document + "/q";
  p.recipe = p.canonical = recipe;
  p.question = "Where?";
  p.answer = "here";
  p.references = {"there"};
  p.score = score;
  p.failure = score == 1 ? "none" : "fabricated";
  p.context_tokens = 100;
  p.full_bytes = 1000;
  p.cache_bytes = recipe == "full" ? 1000 : 250;
  p.document_hash = "h" + p.document;
  p.answer_source = recipe == "full" ? survival(1, 0, {1, 1}) : survival(0.25, 0.5, {0.5, 0});
  return p;
}

DocumentRecord document(int number, const std::string& text = "It is there, they say.") {
  const std::string id = "d" + std::to_string(number);
  return {"s", id, "h" + id, "", text, {{id + "/q", {{6, 11}}, {}, {{5, 11}}}}};
}

// `full` always right, the other arm on every second document.
ReportRun run(int documents) {
  ReportRun run{.name = "run", .model = "m", .config = "", .predictions = {}, .documents = {}};
  for (int d = 0; d < documents; ++d) {
    run.documents.push_back(document(d));
    run.predictions.push_back(prediction("full", d, 1));
    run.predictions.push_back(prediction("snapkv @ 4x", d, d % 2));
  }
  return run;
}

Json data_of(const ReportRun& run, Index bytes = 1'900'000) {
  return report_data(std::span(&run, 1), bytes);
}

// A column of a table's row, by name.
Json value(const Json& table, std::size_t row, const std::string& name) {
  const auto& columns = table["columns"];
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i] == name) return table["rows"][row][i];
  return "no column " + name;
}

std::string plain(const std::vector<Piece>& pieces) {
  std::string text;
  for (const Piece& piece : pieces) switch (piece.kind) {
      case Piece::Kind::text:
        text += piece.text;
        break;
      case Piece::Kind::answer:
        text += "[" + std::to_string(piece.number) + piece.text + "]";
        break;
      case Piece::Kind::support:
        text += "{" + piece.text + "}";
        break;
      case Piece::Kind::gap:
        text += "<" + std::to_string(piece.number) + ">";
        break;
    }
  return text;
}

TEST(Report, ScoresEveryArmWithItsIntervalAndN) {
  const Json data = data_of(run(6));
  const Json& scores = data["scores"];
  ASSERT_EQ(scores["rows"].size(), 4u);  // two arms, task t and all
  EXPECT_EQ(data["arms"][1]["recipe"], "snapkv @ 4x");
  EXPECT_EQ(data["arms"][1]["method"], "snapkv");
  EXPECT_EQ(data["arms"][1]["budget"], "4x");
  EXPECT_EQ(value(scores, 1, "n"), 6);
  EXPECT_EQ(value(scores, 1, "documents"), 6);
  EXPECT_EQ(value(scores, 1, "score"), 0.5);
  EXPECT_EQ(value(scores, 1, "diff"), -0.5);
  EXPECT_EQ(value(scores, 1, "ratio"), 4);
  EXPECT_LT(value(scores, 1, "low"), value(scores, 1, "score"));
  EXPECT_EQ(value(scores, 1, "failures"), Json({3}));
  EXPECT_EQ(data["failures"], Json({"fabricated"}));
  EXPECT_EQ(value(scores, 1, "lost"), Json({0, 0, 3, 0, 0, 0}));  // three erased
  EXPECT_EQ(value(scores, 0, "diff"), nullptr);
}

TEST(Report, LeavesNoBoundWhereOneDocumentGivesNone) {
  ReportRun one = run(1);
  one.predictions.push_back(one.predictions[1]);
  one.predictions.back().item = "d0/q1";
  one.predictions.back().score = 1;  // where all are equal, Wilson's interval stands
  EXPECT_EQ(value(data_of(one)["scores"], 1, "low"), nullptr);
}

TEST(Report, KeepsArmsThatSeeTheQuestionOffTheFront) {
  ReportRun aware = run(4);
  EXPECT_EQ(value(data_of(aware)["scores"], 1, "front"), true);
  for (auto& p : aware.predictions) p.sees_question = p.canonical != "full";
  EXPECT_EQ(value(data_of(aware)["scores"], 1, "front"), false);
}

TEST(Report, ShowsWhatAnArmHasOverItsTwins) {
  ReportRun twinned = run(4);
  for (int d = 0; d < 4; ++d) {
    Prediction p = prediction("random at the bytes of snapkv @ 4x", d, 0);
    p.twin = "random";
    p.twin_of = "snapkv @ 4x";
    twinned.predictions.push_back(p);
  }
  const Json data = data_of(twinned);
  EXPECT_EQ(data["arms"][2]["method"], "random (twins)");
  EXPECT_EQ(data["arms"][2]["twin"], "random");
  const Json twins = value(data["scores"], 1, "twins");
  ASSERT_EQ(twins.size(), 1u);
  EXPECT_EQ(twins[0][0], "random");
  EXPECT_EQ(twins[0][1], 4);    // items
  EXPECT_EQ(twins[0][2], 0.5);  // right on every second document
}

TEST(Report, PutsRunsSideBySide) {
  const ReportRun two[] = {run(2), run(2)};
  const Json data = report_data(two);
  EXPECT_EQ(data["arms"].size(), 4u);
  EXPECT_EQ(data["arms"][2]["run"], 1);
  EXPECT_EQ(data["items"].size(), 2u);  // the same questions on the same documents
  EXPECT_EQ(data["items"][0]["outcome"].get<std::string>().size(), 4u);
  EXPECT_EQ(data["sets"], Json({0, 0}));
}

TEST(Report, ShowsTheContextOfAnAnswer) {
  const Json data = data_of(run(1));
  EXPECT_EQ(data["items"][0]["excerpt"], Json({"It is", {"a", " there", 0}, ", they say."}));
  EXPECT_EQ(value(data["answers"], 1, "by_token"), "50");  // half of the lanes, none
  EXPECT_EQ(value(data["answers"], 1, "evicted"), 0.5);
}

TEST(Report, WorksWithoutDocuments) {
  ReportRun old = run(2);
  old.documents.clear();
  for (auto& p : old.predictions) p.answer_source = p.support_source = std::nullopt;
  const Json data = data_of(old);
  EXPECT_EQ(data["items"][0]["excerpt"], nullptr);
  EXPECT_EQ(value(data["scores"], 1, "lost"), Json({1, 0, 0, 0, 0, 0}));  // unrecorded
}

TEST(Report, NothingInTheDataBreaksOutOfThePage) {
  ReportRun hostile = run(2);
  hostile.name = hostile.model = hostile.config = kHostile;
  for (auto& p : hostile.predictions) {
    p.question = p.answer = p.task = p.answer_prefix = kHostile;
    p.recipe = p.canonical == "full" ? "full" : kHostile;
    p.references = {kHostile};
    p.tags = {{kHostile, kHostile}};
    p.failure = kHostile;
  }
  hostile.documents = {document(0, std::string("It is there ") + kHostile)};
  const std::string page = report_page(data_of(hostile)), calm = report_page(data_of(run(2)));
  const auto count = [](const std::string& text, const std::string& part) {
    Index n = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
  };
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  for (const char* part : {"<script", "</script", "<!--"})
    EXPECT_EQ(count(page, part), count(calm, part)) << part;
}

TEST(Report, StaysBelowItsSizeWrongAnswersFirst) {
  ReportRun large = run(1500);
  const std::string prose(8000, 'x');
  for (auto& d : large.documents) d.text += prose;
  for (auto& p : large.predictions) p.answer = prose;
  const Json data = data_of(large, 700'000);
  const std::string page = report_page(data);
  EXPECT_LT(page.size(), 700'000u);
  EXPECT_GT(page.size(), 650'000u);
  const Json& left_out = data["left_out"];
  EXPECT_EQ(left_out["wrong_total"], 750);
  EXPECT_EQ(left_out["right_total"], 2250);
  EXPECT_EQ(left_out["right"].get<Index>() + left_out["wrong"].get<Index>() +
                std::ssize(data["answers"]["rows"]),
            3000);
  EXPECT_EQ(value(data["scores"], 1, "n"), 1500);   // figures count all of them
  EXPECT_EQ(value(data["answers"], 0, "item"), 0);  // an item that was lost: full's answer,
  EXPECT_EQ(value(data["answers"], 0, "score"), 1);
  EXPECT_EQ(value(data["answers"], 1, "item"), 0);  // and what the compressed cache made of it
  EXPECT_EQ(value(data["answers"], 1, "score"), 0);
}

TEST(Report, RefusesRunsWithoutAnswersOrWithoutFull) {
  ReportRun empty;
  EXPECT_THROW(data_of(empty), Error);
  ReportRun partial = run(2);
  std::erase_if(partial.predictions, [](const auto& p) { return p.canonical == "full"; });
  EXPECT_THROW(data_of(partial), Error);
  EXPECT_THROW(read_report_run("/no/such/folder"), Error);
}

TEST(ReportTables, FrontIsWhatNoneBeats) {
  const Point points[] = {{100, 0.9}, {50, 0.9}, {50, 0.8}, {20, 0.5}, {30, 0.4}};
  EXPECT_EQ(pareto_front(points), (std::vector<bool>{false, true, false, true, false}));
}

TEST(ReportTables, DepthsAreCountedByArmAndLength) {
  ReportRun deep = run(4);
  for (auto& p : deep.predictions) {
    p.tags["depth"] = "85";
    p.context_tokens = p.document < "d2" ? 100 : 400;
  }
  const Json depths = data_of(deep)["depths"];
  EXPECT_EQ(data_of(deep)["lengths"], Json({100, 400}));
  EXPECT_EQ(depths["rows"][2], Json({1, 0, 4, 2, 1.0}));  // arm 1, first length, last fifth
}

TEST(ReportFate, IsTheWorstOfAnswerAndSupport) {
  Prediction p = prediction("full", 0, 1);
  EXPECT_EQ(fate_of(p), Fate::kept);
  p.answer_source = survival(0.5, 0, {0.5, 0.5});
  EXPECT_EQ(fate_of(p), Fate::partly);
  p.support_source = survival(0.9, 0, {0.9, 0});
  EXPECT_EQ(fate_of(p), Fate::partly);  // a share that rounds to 0, and no summary
  p.support_source->in_summaries = 1;
  EXPECT_EQ(fate_of(p), Fate::summarised);
  p.support_source = survival(0.9, 0.1, {0.9, 0});
  EXPECT_EQ(fate_of(p), Fate::erased);
  p.answer_source = Survival{};
  EXPECT_EQ(fate_of(p), Fate::erased);
  p.support_source = Survival{};
  EXPECT_EQ(fate_of(p), Fate::absent);
  p.answer_source = std::nullopt;
  EXPECT_EQ(fate_of(p), Fate::unrecorded);
}

TEST(ReportExcerpt, CutsAtWordsAndSaysWhatIsLeftOut) {
  const DocumentRecord d{"s",
                         "d",
                         "h",
                         "",
                         "one two three four five six seven eight nine ten and more",
                         {{"q", {{19, 23}}, {{4, 7}}, {{18, 23}}}}};
  EXPECT_EQ(plain(excerpt(d, d.items[0], 3, 9)), "one {two} three four[0 five] six<30>");
  EXPECT_EQ(plain(excerpt(d, d.items[0], 0, 1)), "one {two}<50>");
  EXPECT_EQ(plain(excerpt(d, {}, 4, 9)), "one two three<44>");
}

TEST(ReportExcerpt, NeverCutsASymbol) {
  const DocumentRecord d{"s", "d", "h", "", "ééééééééééééééééééééééé", {}};
  EXPECT_EQ(plain(excerpt(d, {}, 3, 9)), "ééé<40>");
  EXPECT_EQ(head("éé", 3), "é");
}

}  // namespace
}  // namespace pith::eval
