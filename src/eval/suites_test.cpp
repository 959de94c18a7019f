// Properties that every suite keeps, and golden beginnings (tests/golden/suites.json) that catch
// accidental changes: PITH_WRITE_GOLDEN=1 rewrites them after an intended one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "eval/judge.h"
#include "eval/suite.h"
#include "eval/text/prose.h"
#include "eval/text/words.h"
#include "support/golden.h"

namespace pith::eval {
namespace {

// A stand-in for a tokenizer: a token is up to five letters, one digit or one other mark.
Index count_pieces(std::string_view text) {
  Index tokens = 0, run = 0;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter) run = 0;
    tokens += letter ? run++ % 5 == 0 : c != ' ';
  }
  return tokens;
}

std::vector<Document> documents(std::string_view task, const SuiteOptions& options) {
  return pith::eval::generate(task, options, count_pieces);
}

std::vector<std::string> all_tasks() {
  std::vector<std::string> tasks;
  for (const auto& suite : suites())
    tasks.insert(tasks.end(), suite.tasks.begin(), suite.tasks.end());
  return tasks;
}

std::string_view at(const Document& document, TextSpan span) {
  return std::string_view(document.text)
      .substr(static_cast<std::size_t>(span.begin),
              static_cast<std::size_t>(span.end - span.begin));
}

nlohmann::json to_json(const Document& document) {
  nlohmann::json items = nlohmann::json::array();
  for (const Item& item : document.items) {
    nlohmann::json references = nlohmann::json::array();
    for (const auto& reference : item.references) {
      nlohmann::json spans = nlohmann::json::array();
      for (const auto& span : reference.spans) spans.push_back({span.begin, span.end});
      references.push_back({{"text", reference.text}, {"spans", spans}});
    }
    items.push_back({{"id", item.id},
                     {"question", item.question},
                     {"prefix", item.answer_prefix},
                     {"references", references},
                     {"metric", to_string(item.metric)},
                     {"rule", item.rule},
                     {"max_tokens", item.max_tokens},
                     {"tags", item.tags}});
  }
  return {
      {"id", document.id}, {"system", document.system}, {"text", document.text}, {"items", items}};
}

// The written transcript is as long as it is, and says some of its values in other senses too.
bool written(std::string_view task) { return task.substr(0, 16) == "transcript_agent"; }

TEST(Suites, OneDigitMoreIsAnotherNumber) {
  for (const char* task : {"string_digits", "string_uuid"}) {
    const Item item = documents(task, {1024, 1, 1})[0].items[0];
    const std::string right = item.references[0].text;
    EXPECT_EQ(judge(item, " " + right + ".").score, 1) << task;
    EXPECT_EQ(judge(item, right + "7").score, 0) << task;
    EXPECT_EQ(judge(item, "1" + right).score, 0) << task;
  }
}

TEST(Suites, LengthsThatCannotBeAreRefused) {
  EXPECT_THROW(documents("kv", {Index{1} << 24, 1, 1}), Error);
  EXPECT_THROW(check_range("kv", {4096, 1, 1}, 2048), Error);
  EXPECT_NO_THROW(check_range("kv", {2048, 1, 1}, 2048));
  EXPECT_NO_THROW(check_range("transcript_agent", {4096, 1, 1}, 2048));
}

class EveryTask : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Suites, EveryTask, testing::ValuesIn(all_tasks()),
                         [](const auto& task) { return task.param; });

TEST_P(EveryTask, ReachesItsLengthInFewCounts) {
  if (written(GetParam())) return;
  for (const Index tokens : {Index{1024}, Index{4096}, Index{16384}}) {
    Index calls = 0;
    const TokenCounter count = [&](std::string_view text) {
      ++calls;
      return count_pieces(text);
    };
    const auto made = pith::eval::generate(GetParam(), SuiteOptions{tokens, 2, 3}, count);
    ASSERT_EQ(made.size(), 2u);
    for (const auto& document : made) {
      const Index reached = count_pieces(document.text);
      EXPECT_LE(reached, tokens) << document.id;
      EXPECT_GE(reached, tokens - std::max<Index>(tokens / 50, 100)) << document.id;
      if (tokens >= 4096) {
        EXPECT_GE(reached, tokens * 98 / 100) << document.id;
      }
    }
    EXPECT_LE(calls, 2 * 14) << tokens;
  }
}

TEST_P(EveryTask, SpansHoldTheirReferences) {
  for (const auto& document : documents(GetParam(), {2048, 3, 5})) {
    ASSERT_FALSE(document.items.empty());
    for (const Item& item : document.items) {
      EXPECT_FALSE(item.question.empty()) << item.id;
      EXPECT_GT(item.max_tokens, 0) << item.id;
      for (const auto& reference : item.references)
        for (const auto& span : reference.spans)
          EXPECT_EQ(at(document, span), reference.text) << item.id;
      for (const auto& span : item.support) {
        EXPECT_LT(span.begin, span.end);
        EXPECT_LE(span.end, static_cast<Index>(document.text.size()));
      }
      EXPECT_THAT(
          item.distractors,
          testing::Not(testing::Contains(item.references.empty() ? "?" : item.references[0].text)));
    }
  }
}

TEST_P(EveryTask, IsTheSameForTheSameSeedAndAnyNumberOfContexts) {
  const auto three = documents(GetParam(), {1024, 3, 7});
  const auto one = documents(GetParam(), {1024, 1, 7});
  EXPECT_EQ(to_json(three[0]), to_json(one[0]));
  EXPECT_NE(three[0].text, three[1].text);
  EXPECT_NE(three[0].text, documents(GetParam(), {1024, 1, 8})[0].text);
}

TEST_P(EveryTask, ItemsHaveIdsOfTheirOwn) {
  std::set<std::string> ids;
  for (const auto& document : documents(GetParam(), {1024, 4, 1}))
    for (const Item& item : document.items) {
      EXPECT_TRUE(ids.insert(item.id).second) << item.id;
      EXPECT_EQ(item.task, GetParam());
    }
}

// Sentences of the prose, the last lines of paragraphs included.
std::vector<std::string> sentences(const std::string& text) {
  std::vector<std::string> found;
  std::string sentence;
  for (std::size_t i = 0; i < text.size(); ++i) {
    sentence += text[i];
    const bool end = text[i] == '.' || text[i] == '?' || text[i] == '!';
    if (!end || (i + 1 < text.size() && text[i + 1] != ' ' && text[i + 1] != '\n')) continue;
    found.push_back(sentence.substr(sentence.find_first_not_of(" \n")));
    sentence.clear();
  }
  return found;
}

TEST_P(EveryTask, NoSentenceIsSaidTwice) {
  // Noise repeats on purpose; biographies say short things of several people ("She plays the
  // lute.").
  const std::set<std::string> repeats = {"needle_noise",
                                         "niah_single_1",
                                         "vt",
                                         "passkey",
                                         "number_string",
                                         "physics_knowledge",
                                         "qa_1",
                                         "qa_2",
                                         "code_run",
                                         "cwe",
                                         "fwe"};
  if (repeats.count(GetParam()) != 0 || written(GetParam())) return;
  for (const auto& document : documents(GetParam(), {8192, 2, 5})) {
    std::set<std::string> said;
    for (const auto& sentence : sentences(document.text))
      EXPECT_TRUE(said.insert(sentence).second) << document.id << ": " << sentence;
  }
}

// Where the answer is a code, a number or a name that only one sentence knows, it stands nowhere
// else: neither in the text nor in the question or the prefix.
TEST_P(EveryTask, TheAnswerLeaksNowhere) {
  const bool only =
      !written(GetParam()) &&
      std::set<std::string>{"vt", "cwe", "fwe", "math_find", "math_calc", "code_run"}.count(
          GetParam()) == 0;
  for (const auto& document : documents(GetParam(), {4096, 2, 6})) {
    for (const Item& item : document.items) {
      const bool unique = only && (item.task.substr(0, 7) != "physics" && item.task[0] != 'q');
      for (const auto& reference : item.references) {
        Index places = 0;
        for (std::size_t i = 0; (i = document.text.find(reference.text, i)) != std::string::npos;
             ++i)
          ++places;
        if (unique) {
          EXPECT_EQ(places, static_cast<Index>(reference.spans.size())) << item.id;
        }
        const bool yes_no = reference.text == "yes" || reference.text == "no";
        if (!only || yes_no) continue;
        EXPECT_EQ(item.question.find(reference.text), std::string::npos) << item.id;
        EXPECT_EQ(item.answer_prefix.find(reference.text), std::string::npos) << item.id;
      }
    }
  }
}

// What is asked for must be scored as right by its own judge.
TEST_P(EveryTask, TheReferenceIsARightAnswer) {
  for (const auto& document : documents(GetParam(), {1024, 2, 4})) {
    for (const Item& item : document.items) {
      if (item.metric == Metric::follows) continue;
      std::string answer = item.metric == Metric::abstain ? "I don't know." : "";
      const bool all = item.metric == Metric::contains_all || item.metric == Metric::keywords ||
                       item.metric == Metric::prefix;
      for (std::size_t i = 0; i < item.references.size() && (all || i == 0); ++i)
        answer += (i == 0 ? " " : ", ") + item.references[i].text;
      EXPECT_EQ(judge(item, answer).score, 1) << item.id << answer;
    }
  }
}

TEST_P(EveryTask, BeginsAsRecorded) {
  const auto document = documents(GetParam(), {1024, 1, 42})[0];
  nlohmann::json now = to_json(document);
  now["text"] = document.text.substr(0, 200);
  now["items"] = {now["items"][0]};
  const auto path = test::golden_path("suites.json");
  if (std::getenv("PITH_WRITE_GOLDEN") != nullptr) {
    nlohmann::json golden = nlohmann::json::object();
    if (std::filesystem::exists(path)) golden = nlohmann::json::parse(read_file(path));
    golden[GetParam()] = now;
    FileWriter writer(path);
    writer.write(golden.dump(1) + "\n");
    writer.commit();
  }
  EXPECT_EQ(nlohmann::json::parse(read_file(path)).value(GetParam(), nlohmann::json()), now);
}

TEST(Suites, TheHayDoesNotAnswerForTheNeedle) {
  for (const auto& document : documents("niah_multikey_2", {4096, 200, 1})) {
    const std::string& question = document.items[0].question;
    const auto begin = question.find(" for ") + 5;
    const std::string fact =
        " for " + question.substr(begin, question.find(' ', begin) - begin) + " is: ";
    const auto first = document.text.find(fact);
    ASSERT_NE(first, std::string::npos) << question;
    EXPECT_EQ(document.text.find(fact, first + 1), std::string::npos) << document.id << fact;
  }
}

// What the text says of another is told apart from what it does not say.
TEST(Suites, AnAnswerFromAnotherFactIsNotFabricated) {
  for (const char* task : {"physics_entities", "physics_presence", "physics_knowledge",
                           "niah_multikey_2", "niah_multikey_3"})
    for (const auto& document : documents(task, {2048, 2, 5}))
      for (const Item& item : document.items) {
        ASSERT_FALSE(item.distractors.empty()) << item.id;
        for (const auto& other : item.distractors) {
          EXPECT_NE(document.text.find(other), std::string::npos) << item.id << other;
          EXPECT_EQ(item.question.find(" " + other + "?"), std::string::npos) << item.id << other;
          for (const auto& reference : item.references) EXPECT_NE(other, reference.text);
        }
        const Failure failure = judge(item, item.distractors.front()).failure;
        EXPECT_TRUE(failure == Failure::other_fact || failure == Failure::crossover) << item.id;
      }
}

TEST(Suites, UnknownNamesAreAnsweredWithTheNearest) {
  try {
    documents("needles_multi", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_THAT(error.what(), testing::HasSubstr("nearest: needle_multi"));
  }
}

TEST(Suites, ATooSmallLengthIsRefused) {
  for (const auto& task : all_tasks()) {
    if (written(task)) continue;
    try {
      documents(task, {12, 1, 1});
      FAIL() << task;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_input) << task;
      EXPECT_THAT(error.what(), testing::HasSubstr("tokens")) << task;
    }
  }
}

TEST(Prose, NoSentenceComesTwiceAndShapesAreMany) {
  Prose prose(Rng(1));
  std::set<std::string> sentences;
  std::set<std::uint64_t> shapes;
  for (int i = 0; i < 8000; ++i) {
    EXPECT_TRUE(sentences.insert(prose.next()).second);
    if (i < 1000) shapes.insert(prose.shape());
  }
  EXPECT_GT(shapes.size(), 500u);
}

TEST(Prose, UsesNoWordOfTheFacts) {
  std::string text;
  Prose prose(Rng(2));
  for (int i = 0; i < 4000; ++i) text += prose.next() + ' ';
  std::set<std::string> said;
  std::string word;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter) word += c;
    if (!letter && !word.empty()) said.insert(word), word.clear();
    EXPECT_FALSE(c >= '0' && c <= '9');
  }
  for (const auto words :
       {words::colors(), words::animals(), words::first_female(), words::first_male(),
        words::surnames(), words::cities(), words::creatures(), words::pet_names(), words::things(),
        words::instruments(), words::hobbies(), words::majors()})
    for (const auto fact : words) EXPECT_EQ(said.count(std::string(fact)), 0u) << fact;
}

}  // namespace
}  // namespace pith::eval
