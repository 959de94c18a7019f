#include "eval/runner.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "engine/calibration/calibration.h"
#include "eval/documents.h"
#include "eval/metrics.h"
#include "eval/predictions.h"
#include "support/error_of.h"
#include "support/test_folder.h"
#include "support/tiny_model.h"

namespace pith::eval {
namespace {

class RunnerTest : public testing::Test {
 protected:
  void SetUp() override {
    file_ = test::tiny_model({.context = 4096});
    engine_ = Engine::from(gguf::File::parse(file_, "tiny"),
                           engine_options(RunConfig{.exact = true, .threads = 2}));
  }

  RunConfig config() const {
    RunConfig config;
    config.model = "tiny";
    config.suites = {"needles"};
    config.suite = {.tokens = 700, .contexts = 1, .seed = 3};
    config.recipes = {"random @ 2x", "s0_route_only(routes=1)"};
    return config;
  }

  std::vector<Prediction> run(const RunConfig& config, const std::string& name) const {
    run_suites(engine_, config, folder_ / name, {});
    return read_run(folder_ / name);
  }

  // What a prediction says, times aside, keyed by what it is about.
  static std::map<std::string, std::string> answers(const std::vector<Prediction>& predictions) {
    std::map<std::string, std::string> result;
    for (const auto& p : predictions)
      EXPECT_TRUE(result.emplace(p.key + p.item, p.answer + p.failure).second)
          << "twice: " << p.item;
    return result;
  }

  static std::vector<Prediction> untimed(std::vector<Prediction> predictions) {
    for (auto& p : predictions) p.prefill_s = p.replay_s = p.compress_s = p.decode_s = 0;
    return predictions;
  }

  const test::TestFolder own_;
  const std::filesystem::path& folder_ = own_.path();
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

TEST_F(RunnerTest, TellsWhatItDoesBetweenAnswers) {
  RunConfig replays = config();
  replays.suites = {"kv"};
  replays.recipes = {"kvzip @ 2x"};
  std::map<std::string, std::pair<Index, Index>> last;  // step of steps
  run_suites(engine_, replays, folder_ / "told", [&](const RunProgress& now) {
    EXPECT_EQ(now.doing.empty(), now.steps == 0);
    last[now.doing] = {now.step, now.steps};
  });
  for (const char* doing : {"reading", "replaying"}) {
    EXPECT_GT(last[doing].second, 0) << doing;
    EXPECT_EQ(last[doing].first, last[doing].second) << doing;
  }
  EXPECT_TRUE(last.contains(""));
}

// Routing again reads question and answer anew on a new choice of entries: with all of them chosen
// every time, the answers must be those of routing once.
TEST_F(RunnerTest, RoutingAgainToTheSameEntriesChangesNothing) {
  RunConfig again = config();
  again.suites = {"needle_two_hops"};
  again.recipes = {"route(chunks=1, retain=4096, exact=recent)",
                   "route(chunks=1, retain=4096, exact=recent, reroute=3)",
                   "route(chunks=1, retain=64, exact=recent, reroute=3)"};
  std::map<std::string, std::string> once;
  for (const auto& p : run(again, "again")) {
    const bool reroutes = p.canonical.find("reroute") != std::string::npos;
    EXPECT_EQ(p.cold_bytes > 0, reroutes) << p.canonical;
    EXPECT_EQ(p.sees_question, p.canonical != "full");
    if (p.canonical == "full") continue;
    if (!reroutes)
      once[p.item] = p.answer;
    else if (p.canonical.find("4096") != std::string::npos)
      EXPECT_EQ(p.answer, once.at(p.item));
    else
      EXPECT_GT(p.cold_bytes, 2 * p.cache_bytes);
  }
  EXPECT_EQ(once.size(), 6u);
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
  const auto documents = read_documents(folder_ / "record");
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
  for (Index shard = 0; shard < 3; ++shard) {
    RunConfig part = config();
    part.shard = shard;
    part.shards = 3;
    run(part, "shards");
  }
  EXPECT_EQ(answers(read_run(folder_ / "shards")), whole);
  EXPECT_EQ(metrics_json(compute_metrics(untimed(read_run(folder_ / "shards"))), "full"),
            metrics_json(compute_metrics(untimed(read_run(folder_ / "whole"))), "full"));
}

TEST_F(RunnerTest, WorkItemsTogetherAreTheWhole) {
  const auto whole = answers(run(config(), "whole"));
  const auto items = work_items(*engine_, config());
  EXPECT_EQ(std::ssize(items), std::ssize(tasks_of("needles")));
  record(recorded(config(), facts_of(*engine_)), folder_ / "items");
  for (auto item = items.rbegin(); item != items.rend(); ++item)
    run_item(engine_, config(), item->number, folder_ / "items");
  EXPECT_EQ(run_item(engine_, config(), 1, folder_ / "items").answered, 0);
  merge_runs({folder_ / "items"}, folder_ / "merged");
  EXPECT_EQ(answers(read_run(folder_ / "merged")), whole);
}

TEST_F(RunnerTest, MergingIntoARunKeepsItsAnswers) {
  RunConfig first = config(), second = config();
  first.recipes = {"random @ 2x"};
  second.recipes = {"knorm @ 2x"};
  for (const auto& [one, name] : {std::pair(first, "first"), std::pair(second, "second")}) {
    record(recorded(one, facts_of(*engine_)), folder_ / name);
    run(one, name);
  }
  auto both = answers(read_run(folder_ / "first"));
  both.merge(answers(read_run(folder_ / "second")));
  merge_runs({folder_ / "second"}, folder_ / "first");
  EXPECT_EQ(answers(read_run(folder_ / "first")), both);
  const PredictionLog writing(folder_ / "second", "predictions.jsonl");
  EXPECT_THROW(merge_runs({folder_ / "first"}, folder_ / "second"), Error);
}

TEST_F(RunnerTest, AnswersDoNotDependOnWhatIsDecodedBeside) {
  RunConfig alone = config();
  alone.together = 1;
  EXPECT_EQ(answers(run(alone, "alone")), answers(run(config(), "together")));
}

TEST_F(RunnerTest, AnswersDoNotDependOnWhatIsCollectedBeside) {
  RunConfig alone = config(), beside = config();
  alone.recipes = {"spaced + match(references=8) @ 4x"};
  beside.recipes = {"spaced + match(references=64) @ 4x", alone.recipes[0]};
  const auto many = answers(run(beside, "beside"));
  for (const auto& [key, answer] : answers(run(alone, "alone"))) EXPECT_EQ(many.at(key), answer);
}

TEST_F(RunnerTest, AnotherCalibrationIsAnotherAnswer) {
  EngineOptions options = engine_options(RunConfig{.exact = true, .threads = 2});
  std::filesystem::create_directories(folder_);
  options.calibration = folder_ / "tiny.calibration";
  engine_ = Engine::from(gguf::File::parse(file_, "tiny"), options);
  const auto& shape = engine_->config();
  const auto calibrate = [&](float weight) {
    Calibration made{"tiny", engine_->model().hash(), "", {}};
    const Index size = shape.kv_heads * (shape.width + 1);
    for (Index l = 0; l < shape.layer_count(); ++l)
      made.arrays[fmt::format("kvzap.{}", l)] = {
          {shape.kv_heads, shape.width + 1},
          std::vector<float>(static_cast<std::size_t>(size), weight)};
    made.save(options.calibration);
  };
  RunConfig own = config();
  own.recipes = {"kvzap @ 2x", "random @ 2x"};
  calibrate(1);
  const auto once = run(own, "run");
  EXPECT_EQ(run_suites(engine_, own, folder_ / "run", {}).answered, 0);
  calibrate(-1);  // kvzap's answers are given again, those of full and random are there
  EXPECT_EQ(run_suites(engine_, own, folder_ / "run", {}).answered * 3, std::ssize(once));
  const auto again = read_run(folder_ / "run");
  ASSERT_EQ(again.size(), once.size());
  for (std::size_t i = 0; i < once.size(); ++i)
    EXPECT_EQ(again[i].key == once[i].key, again[i].recipe != "kvzap @ 2x") << again[i].recipe;
}

TEST_F(RunnerTest, WhatCannotBeCollectedTogetherIsRunOneAfterTheOther) {
  RunConfig both = config();
  both.recipes = {"echo @ 4x", "echo(chunk=64) @ 4x"};
  EXPECT_THAT(
      test::error_of([&] { run(both, "both"); }),
      testing::HasSubstr("echo(chunk=64) @ 4x beside the recipes before it: echoes by chunks "
                         "of 384 and 64"));
  RunConfig one = config();
  one.recipes = {both.recipes[0]};
  run(one, "both");
  EXPECT_EQ(answers(run(both, "both")).size() % 3, 0u);
}

TEST_F(RunnerTest, TwinsHaveTheBytesOfTheirArm) {
  RunConfig twins = config();
  twins.twins = true;
  twins.suites = {"kv"};
  twins.recipes = {"random @ 2x", "knorm @ 2x"};
  std::map<std::string, std::map<std::string, Index>> bytes;  // by arm, then by item
  std::map<std::string, std::set<std::string>> names;
  const auto predictions = run(twins, "twins");
  for (const auto& p : predictions) bytes[p.canonical][identity(p)] = p.cache_bytes;
  for (const auto& p : predictions) {
    if (p.twin.empty()) continue;
    names[p.twin_of].insert(p.twin);
    const Index own = p.cache_bytes, arm = bytes.at(p.twin_of).at(identity(p));
    EXPECT_LE(own, arm) << p.recipe;
    EXPECT_GT(own, arm * 8 / 10) << p.recipe;
  }
  // The control `random` has none.
  ASSERT_EQ(names.size(), 1u);
  EXPECT_EQ(names.begin()->second, (std::set<std::string>{"random", "recency", "spaced"}));
}

TEST_F(RunnerTest, OneProcessWritesAFile) {
  const PredictionLog first(folder_, "predictions.jsonl");
  EXPECT_THROW(PredictionLog(folder_, "predictions.jsonl"), Error);
}

TEST_F(RunnerTest, EstimatesWithoutLeavingAnything) {
  const auto estimate = estimate_run(engine_, config(), 2);
  EXPECT_EQ(estimate.documents, std::ssize(tasks_of("needles")));
  EXPECT_EQ(estimate.arms, 3);
  EXPECT_GT(estimate.seconds, 0);
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(RunnerTest, RefusesWhatItDoesNotKnowBeforeReading) {
  RunConfig unknown = config();
  unknown.recipes = {"snapvk @ 2x"};
  EXPECT_THROW(run(unknown, "unknown"), Error);
  unknown = config();
  unknown.suites = {"needle"};
  EXPECT_THROW(run(unknown, "unknown"), Error);
}

// A file with answers to a document from before and after something changed.
class AnswersAgain : public testing::Test {
 protected:
  void SetUp() override {
    PredictionLog log(folder_, "predictions.jsonl");
    log.add(answer("before", 0));
    log.add(answer("before", 0, "asked no more"));
    log.add(answer("after", 1));
  }

  static Prediction answer(const std::string& key, double score, const std::string& item = "q") {
    Prediction p;
    p.key = key;
    p.task = "t";
    p.item = item;
    p.recipe = p.canonical = "full";
    p.score = score;
    p.failure = "none";
    return p;
  }

  const test::TestFolder own_;
  const std::filesystem::path& folder_ = own_.path();
};

TEST_F(AnswersAgain, TheLaterOneMakesTheFigures) {
  const auto arms = compute_metrics(read_run(folder_));
  EXPECT_EQ(arms.back().score.n, 1);
  EXPECT_EQ(arms.back().score.mean, 1);
  const PredictionLog log(folder_, "predictions.jsonl");
  EXPECT_TRUE(log.has("after", "q"));
  EXPECT_FALSE(log.has("before", "q"));  // what decided it is back: it is answered again
}

TEST_F(AnswersAgain, FilesThatDisagreeAreRefused) {
  PredictionLog shard(folder_, "predictions-0-of-2.jsonl");
  shard.add(answer("after", 1));
  EXPECT_EQ(read_run(folder_).size(), 1u);
  EXPECT_THAT(test::error_of([&] { shard.add(answer("newer", 1)); }),
              testing::HasSubstr("move the older file away"));
  std::ofstream(folder_ / "predictions-1-of-2.jsonl") << to_line(answer("newer", 1)) << "\n";
  EXPECT_THROW(read_run(folder_), Error);
}

TEST_F(RunnerTest, SchedulesAreCheckedBeforeTheRun) {
  RunConfig scheduled = config();
  const auto refusal = [&](const char* recipe) {
    scheduled.recipes = {recipe};
    return test::error_of([&] { check_run(engine_, scheduled); });
  };
  EXPECT_EQ(refusal("knorm @ 2x when turn"), "no error");
  EXPECT_EQ(refusal("knorm + turn_quota @ 2x when again"), "no error");  // there may be turns
  EXPECT_THAT(refusal("knorm @ auto when turn"), testing::HasSubstr("give a fixed budget"));
  EXPECT_THAT(refusal("knorm @ auto when again"), testing::HasSubstr("or a fixed budget"));
  scheduled.suite.tokens = 5000;
  EXPECT_THAT(refusal("knorm @ 2x"), testing::HasSubstr("--tokens 5000"));
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
                              .in_summaries = 1,
                              .layers = 1,
                              .kept_by_layer = {0.5, 0},
                              .kept_by_token = {0.5, 0.001}};
  prediction.support_source = Survival{};
  const auto again = parse_line(to_line(prediction));
  EXPECT_EQ(to_line(again), to_line(prediction));
  EXPECT_EQ(again.answer_source->kept_by_token, (std::vector<double>{0.5, 0.01}));
  EXPECT_EQ(again.answer_source->in_summaries, 1);
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

}  // namespace
}  // namespace pith::eval
