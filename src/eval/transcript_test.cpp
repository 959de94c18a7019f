// The written transcript has the shape that S2 measured.
#include <gtest/gtest.h>

#include "engine/engine.h"
#include "eval/judge.h"
#include "eval/suite.h"
#include "support/models.h"

namespace pith::eval {
namespace {

Document written(std::string_view task, const TokenCounter& count) {
  return generate(task, {.tokens = 4096, .contexts = 1, .seed = 1}, count).front();
}

std::string turn(const Document& document, std::size_t i) {
  const Index end =
      i + 1 < document.turns.size() ? document.turns[i + 1] : std::ssize(document.text);
  return document.text.substr(static_cast<std::size_t>(document.turns[i]),
                              static_cast<std::size_t>(end - document.turns[i]));
}

TEST(Transcript, HasTurnsAndFacts) {
  const auto none = [](std::string_view) { return Index{0}; };
  EXPECT_EQ(written("transcript_agent_57", none).turns.size(), 56u);  // the first is the system's
  EXPECT_EQ(written("transcript_agent", none).turns.size(), 11u);
  EXPECT_GE(written("transcript_agent", none).items.size(), 40u);
  EXPECT_GE(written("transcript_agent_small", none).items.size(), 35u);
  EXPECT_EQ(turn(written("transcript_agent", none), 0).substr(0, 20), "=== TURN 2 (user) ==");
}

TEST(Transcript, NoFactStandsInTheLastTurnOnly) {
  const auto none = [](std::string_view) { return Index{0}; };
  const auto quarter = [](std::string_view text) { return std::ssize(text) / 4; };
  for (const auto& document :
       {written("transcript_agent", none), written("transcript_support", quarter)}) {
    for (const Item& item : document.items)
      for (const auto& reference : item.references)
        EXPECT_LT(reference.spans.front().end, document.turns.back()) << item.id;
  }
}

TEST(Transcript, TheAnswerIsCutAtItsEnd) {
  Item item;
  item.metric = Metric::keywords;
  item.references = {{"Blocked", {}}, {"Locked", {}}};
  EXPECT_EQ(judge(item, " blocked and locked.").score, 1);
  EXPECT_EQ(judge(item, " blocked.\n\nQuestion: and what is locked?").score, 0);
  EXPECT_EQ(judge(item, " unblocked and locked").score, 0);
}

TEST(Transcript, MiddleTurnsAreAsLongAsTheSources) {
  const auto path = test::find_model("qwen2.5-coder-0.5b-instruct");
  if (path.empty()) GTEST_SKIP() << "pith pull qwen2.5-coder-0.5b-instruct";
  const auto engine = Engine::load(path, {.threads = 1});
  const auto count = [&](std::string_view text) {
    return std::ssize(engine->tokenizer().encode(text));
  };
  const Document full = written("transcript_agent", count);
  const std::vector<double> source = {1495, 54, 250, 22, 189, 24, 242, 33, 1579, 26, 38};
  for (std::size_t i = 0; i < source.size(); ++i)
    EXPECT_NEAR(static_cast<double>(count(turn(full, i))), source[i], 0.1 * source[i]) << i + 2;
  EXPECT_NEAR(static_cast<double>(count("=== TURN 1 (system) ===\n" + full.system)), 144, 14.4);
  const Document small = written("transcript_agent_small", count);
  Index middle = 0;
  for (std::size_t i = 0; i + 1 < small.turns.size(); ++i) middle += count(turn(small, i));
  EXPECT_NEAR(static_cast<double>(middle), 1000, 100);
}

}  // namespace
}  // namespace pith::eval
