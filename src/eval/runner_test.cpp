#include "eval/runner.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "eval/documents.h"
#include "eval/metrics.h"
#include "eval/predictions.h"
#include "support/tiny_model.h"

namespace pith::eval {
namespace {

class RunnerTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              (std::string("pith_runner_") +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    file_ = test::tiny_model({.context = 4096});
    engine_ =
        Engine::from(gguf::File::parse(file_, "tiny"), {.threads = 2, .numerics = Numerics::exact});
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  RunConfig config() const {
    RunConfig config;
    config.suites = {"needles"};
    config.suite = {.tokens = 700, .contexts = 2, .seed = 3};
    config.recipes = {"random @ 2x", "s0_route_only(routes=1)"};
    return config;
  }

  std::vector<Prediction> run(const RunConfig& config, const std::string& name) const {
    run_suites(engine_, config, folder_ / name, {});
    return read_predictions(folder_ / name / "predictions.jsonl");
  }

  // What a prediction says, times aside, keyed by what it is about.
  static std::map<std::string, std::string> answers(const std::vector<Prediction>& predictions) {
    std::map<std::string, std::string> result;
    for (const auto& p : predictions)
      EXPECT_TRUE(result.emplace(p.key + p.item, p.answer + p.failure).second)
          << "twice: " << p.item;
    return result;
  }

  std::filesystem::path folder_;
  std::vector<std::byte> file_;
  std::shared_ptr<Engine> engine_;
};

TEST_F(RunnerTest, AnswersEveryItemOfEveryRecipeOnce) {
  const auto predictions = run(config(), "once");
  const auto arms = compute_metrics(predictions);
  ASSERT_EQ(answers(predictions).size() % 3, 0u);  // full and two recipes
  EXPECT_EQ(arms.back().task, "all");
  EXPECT_EQ(arms.back().score.n * 3, std::ssize(predictions));
  EXPECT_TRUE(arms.back().sees_question);
}

TEST_F(RunnerTest, ARunThatWasKilledGoesOnWithoutLossOrRepetition) {
  const auto whole = answers(run(config(), "whole"));
  const auto path = folder_ / "whole" / "predictions.jsonl";
  const std::string text = read_file(path);
  std::filesystem::create_directories(folder_ / "killed");
  std::ofstream(folder_ / "killed" / "predictions.jsonl") << text.substr(0, text.size() / 2);
  EXPECT_EQ(answers(run(config(), "killed")), whole);
}

TEST_F(RunnerTest, RecordsDocumentsOnceAndWhatBecameOfTheirAnswers) {
  run(config(), "record");
  const auto predictions = run(config(), "record");  // goes on, with nothing left to do
  const auto documents = read_documents(folder_ / "record" / "documents.jsonl");
  std::map<std::string, std::string> texts;
  for (const auto& d : documents) EXPECT_TRUE(texts.emplace(d.suite + d.id, d.hash).second);
  for (const auto& p : predictions) {
    EXPECT_EQ(texts.at(p.suite + p.document), p.document_hash);
    ASSERT_TRUE(p.answer_source && p.answer_source->tokens > 0) << p.item;
    if (p.canonical == "full") {
      EXPECT_EQ(p.answer_source->kept, 1) << p.item;
    } else if (p.recipe == "random @ 2x") {
      EXPECT_LT(p.answer_source->kept, 1) << p.item;
    }
  }
}

TEST_F(RunnerTest, ShardsTogetherAreTheWhole) {
  const auto whole = answers(run(config(), "whole"));
  std::map<std::string, std::string> together;
  for (Index shard = 0; shard < 3; ++shard) {
    RunConfig part = config();
    part.shard = shard;
    part.shards = 3;
    together.merge(answers(run(part, "shards")));
  }
  EXPECT_EQ(together, whole);
}

TEST_F(RunnerTest, RefusesWhatItDoesNotKnowBeforeReading) {
  RunConfig unknown = config();
  unknown.recipes = {"snapvk @ 2x"};
  EXPECT_THROW(run(unknown, "unknown"), Error);
  unknown = config();
  unknown.suites = {"needle"};
  EXPECT_THROW(run(unknown, "unknown"), Error);
}

TEST(Predictions, SurviveTheirFile) {
  Prediction prediction;
  prediction.key = "k";
  prediction.item = "i";
  prediction.answer = "line\nbreak \"quoted\" \xc3\xa9";
  prediction.references = {"a", "b"};
  prediction.tags = {{"depth", "0.5"}};
  const auto again = parse_line(to_line(prediction));
  EXPECT_EQ(to_line(again), to_line(prediction));
  EXPECT_EQ(again.answer, prediction.answer);
}

TEST(Predictions, KeepWhatBecameOfTheAnswer) {
  Prediction prediction;
  prediction.answer_source = {.tokens = 2,
                              .kept = 0.25,
                              .summarised = 0.5,
                              .evicted = 0,
                              .layers = 1,
                              .kept_by_layer = {0.5, 0},
                              .kept_by_token = {0.5, 0}};
  prediction.support_source = Survival{};
  const auto again = parse_line(to_line(prediction));
  EXPECT_EQ(to_line(again), to_line(prediction));
  EXPECT_EQ(again.answer_source->kept_by_token, (std::vector<double>{0.5, 0}));
  EXPECT_EQ(again.support_source->tokens, 0);
}

TEST(Predictions, OfOlderRunsAreStillRead) {
  const auto old = parse_line(
      R"({"key":"k","suite":"s","task":"t","document":"d","item":"i","recipe":"full",)"
      R"("canonical":"full","sees_question":false,"oracle":false,"question":"?",)"
      R"("answer_prefix":"","answer":"a","references":[],"score":1,"failure":"none",)"
      R"("exact":true,"contained":true,"ended":true,"context_tokens":1,"answer_tokens":1,)"
      R"("entries":1,"cache_bytes":1,"full_bytes":1,"prefill_s":0,"replay_s":0,)"
      R"("compress_s":0,"decode_s":0,"tags":{}})");
  EXPECT_FALSE(old.answer_source);
  EXPECT_EQ(old.document_hash, "");
}

TEST(Metrics, PairEachArmWithTheBaseline) {
  std::vector<Prediction> predictions;
  for (int document = 0; document < 6; ++document)
    for (const char* recipe : {"full", "half"}) {
      Prediction p;
      p.suite = "s";
      p.task = "t";
      p.document = std::to_string(document);
      p.item = "q";
      p.recipe = p.canonical = recipe;
      p.score = p.canonical == "full" || document % 2 == 0 ? 1 : 0;
      p.failure = p.score == 1 ? "none" : "fabricated";
      p.full_bytes = 100;
      p.cache_bytes = p.canonical == "full" ? 100 : 50;
      predictions.push_back(p);
    }
  const auto arms = compute_metrics(predictions);
  ASSERT_EQ(arms.size(), 4u);  // two arms in task t, two in all
  EXPECT_EQ(arms[1].score.mean, 0.5);
  EXPECT_EQ(arms[1].ratio, 2.0);
  EXPECT_EQ(arms[1].to_baseline.difference.mean, -0.5);
  EXPECT_EQ(arms[1].failures.at("fabricated"), 3);
  EXPECT_THROW(compute_metrics(predictions, "nothing"), Error);
}

}  // namespace
}  // namespace pith::eval
