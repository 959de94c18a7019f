// What reads behind a document is refused before the document is read.
#include "engine/signals/reach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/keeper.h"
#include "support/error_of.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

using ::testing::HasSubstr;

class ReachTest : public testing::Test {
 protected:
  void SetUp() override {
    file_ = test::tiny_model({.context = 512});
    engine_ = Engine::from(gguf::File::parse(file_, "tiny"), {.threads = 1});
  }
  static std::vector<Token> document(Index count) {
    std::vector<Token> tokens;
    for (Index i = 0; i < count; ++i) tokens.push_back(static_cast<Token>((i * 37 + 11) % 250));
    return tokens;
  }
  // The refusal of a document of so many tokens; none of them may have been read.
  std::string refusal(Index count, const recipe::SignalNeeds& needs) {
    Context context(engine_);
    bool began = false;
    const auto error = test::error_of([&] {
      read_document(context, document(count), needs,
                    {.answer_prompt = {}, .progress = [&](Index, Index) { began = true; }});
    });
    EXPECT_NE(began, error != "no error");
    return error;
  }

  std::vector<std::byte> file_;
  std::shared_ptr<Engine> engine_;
};

TEST_F(ReachTest, ASecondPassTakesTheDocumentTwice) {
  EXPECT_EQ(refusal(256, {.second_pass = true}), "no error");
  EXPECT_EQ(refusal(300, {.second_pass = true}),
            "the second pass that this recipe needs reads 300 tokens behind the 300 of the "
            "document and its prompt, which leaves the model's range of 512 tokens; shorten them "
            "to 256 or fewer, take a recipe that reads nothing twice, or use a model with a longer "
            "range");
}

// The request has at most its 38 characters, and more than 12 tokens: 2 * 230 fit, 2 * 250 do not.
TEST_F(ReachTest, AReplayTakesItsRequest) {
  EXPECT_EQ(refusal(230, {.replay = true}), "no error");
  EXPECT_THAT(refusal(250, {.replay = true}), HasSubstr("the replay that this recipe needs reads"));
  EXPECT_THAT(refusal(480, {.replay_gradient = true}), HasSubstr("behind the 480 of the document"));
}

TEST_F(ReachTest, SelfStudyTakesWhatTheModelMayWrite) {
  recipe::SignalNeeds needs;
  needs.studies = {{.queries = 8, .seed = 1}};
  const auto refusal_behind = [&](Index prefix) {  // of 10 tokens
    const ReadOptions options{.prefix_tokens = prefix, .answer_prompt = {}};
    return test::error_of([&] { check_reach(*engine_, document(prefix + 10), needs, options); });
  };
  EXPECT_EQ(refusal_behind(300), "no error");
  EXPECT_THAT(refusal_behind(440), HasSubstr("self-study that this recipe needs reads"));
}

TEST_F(ReachTest, ADocumentOverTheRangeIsSaidToBeThat) {
  EXPECT_THAT(refusal(513, {.replay = true}),
              HasSubstr("513 tokens leave the model's range of 512"));
}

TEST_F(ReachTest, PiecesAreRepeatedBehindWhatCameBefore) {
  const auto kvzip = recipe::Recipe::parse("kvzip @ 0.5");
  for (const Index count : {300, 500}) {
    Context context(engine_);
    const auto error = test::error_of(
        [&] { read_in_chunks(context, document(count), kvzip, 64, {.answer_prompt = {}}); });
    EXPECT_EQ(error == "no error", count == 300) << error;
    EXPECT_EQ(context.next_position(), count == 300 ? 300 : 0);
  }
}

}  // namespace
}  // namespace pith
