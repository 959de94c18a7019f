// The sample of a document that is repeated, and what a compressed cache makes of it, on a tiny
// model.

#include "engine/guard/span_replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/compress.h"
#include "recipe/recipe.h"
#include "support/error_of.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SpanSample, OneWindowOfEachStretchAndTheSurprisingOne) {
  std::vector<float> surprisal(4 + 512);  // 16 windows in 8 stretches
  for (std::size_t t = 4; t < surprisal.size(); ++t) surprisal[t] = (t - 4) / 32 % 2 == 1 ? 1 : 0;
  const auto spans = sample_spans(surprisal, 4);
  ASSERT_EQ(spans.size(), 8U);
  for (Index s = 0; s < 8; ++s)
    EXPECT_EQ(spans[static_cast<std::size_t>(s)], (RepeatedSpan{4 + 64 * s + 32, 4 + 64 * s + 64}));
}

TEST(SpanSample, LongDocumentsGiveATenthAndShortOnesAll) {
  EXPECT_EQ(sample_spans(std::vector<float>(6400, 1), 0).size(), 20U);
  EXPECT_EQ(sample_spans(std::vector<float>(64000, 1), 0).size(), 64U);
  EXPECT_EQ(sample_spans(std::vector<float>(96, 1), 0).size(), 3U);
  EXPECT_THAT(sample_spans(std::vector<float>(15, 1), 5), ElementsAre(RepeatedSpan{5, 15}));
}

TEST(SpanSample, NoMoreThanAsked) {
  EXPECT_EQ(sample_spans(std::vector<float>(64000, 1), 0, 16).size(), 16U);
  EXPECT_EQ(sample_spans(std::vector<float>(640, 1), 0, 4).size(), 4U);
}

TEST(SpanDamage, CountsByHand) {
  const SpanDamage damage = damage_of(std::vector<SpanTokens>{
      {.whole = {1, 2}, .here = {1.5, 3}, .known = {1, 1}, .repeated = {1, 0}},
      {.whole = {4, 0.5}, .here = {3, 0.5}, .known = {0, 1}, .repeated = {1, 1}}});
  EXPECT_DOUBLE_EQ(damage.rise, 0.125);     // (0.5 + 1 - 1 + 0) / 4
  EXPECT_DOUBLE_EQ(damage.worst, 0.75);     // of the first span
  EXPECT_DOUBLE_EQ(damage.known, 0.75);     // three of four
  EXPECT_DOUBLE_EQ(damage.missed, 1. / 3);  // one of those three
  EXPECT_DOUBLE_EQ(damage.repeats(), 2. / 3);
}

TEST(SpanDamage, WhereTheWholeCacheRepeatsNothingNothingIsSaid) {
  const SpanDamage damage = damage_of(
      std::vector<SpanTokens>{{.whole = {1}, .here = {2}, .known = {0}, .repeated = {0}}});
  EXPECT_EQ(damage.known, 0);
  EXPECT_TRUE(std::isnan(damage.repeats()));
}

TEST(SpanDamage, LessThatIsRepeatedIsMoreThatIsLost) {
  constexpr std::uint64_t kMeasured = 0xe79263013ba2632c;
  const auto lost = [](double repeats) { return precedent_of(kMeasured, repeats)->lost; };
  EXPECT_EQ(lost(1), lost(0.99));
  EXPECT_LT(lost(0.99), lost(0.989));
  EXPECT_LT(lost(0.9), lost(0.5));
  EXPECT_EQ(lost(0.5), lost(0));
  EXPECT_EQ(precedent_of(kMeasured, std::nan("")), nullptr);
  EXPECT_EQ(precedent_of(kMeasured + 1, 1), nullptr);
}

class SpanReplayTest : public testing::Test {
 protected:
  void SetUp() override {
    EngineOptions options;
    options.threads = 2;
    options.numerics = Numerics::exact;
    file_ = test::tiny_model({});
    engine_ = Engine::from(gguf::File::parse(file_, "tiny"), options);
  }
  Context read(Index tokens, const recipe::SignalNeeds& needs, recipe::Signals& signals) const {
    std::vector<Token> text;
    for (Index i = 0; i < tokens; ++i) text.push_back(static_cast<Token>((i * 37 + 11) % 250));
    Context context(engine_);
    signals = read_document(context, text, needs, {});
    return context;
  }

  std::vector<std::byte> file_;
  std::shared_ptr<Engine> engine_;
};

TEST_F(SpanReplayTest, TheWholeCacheIsNotDamaged) {
  recipe::Signals signals;
  const Context whole = read(200, {}, signals);
  const SpanReplay replay(whole, even_weights(whole), {.reading = {}});
  EXPECT_EQ(replay.spans(), 6);
  const SpanDamage damage = replay.compare(whole);
  EXPECT_EQ(damage, SpanDamage{.known = damage.known});
}

TEST_F(SpanReplayTest, ACacheWithoutTheDocumentRepeatsItWorse) {
  const auto recipe = recipe::Recipe::parse("streaming_llm @ 8x");
  recipe::Signals signals;
  const Context whole = read(200, recipe.needs(), signals);
  const SpanReplay replay(whole, even_weights(whole), {.reading = {}});
  Context small = whole.fork();
  compress(small, recipe, signals);
  const SpanDamage damage = replay.compare(small);
  EXPECT_GT(damage.worst, 0);
  EXPECT_GT(damage.routes, 0.5);
}

TEST_F(SpanReplayTest, ItsProgressCountsSpans) {
  recipe::Signals signals;
  const Context whole = read(200, {}, signals);
  std::vector<Index> told;
  const Progress progress = [&](Index done, Index total) {
    EXPECT_EQ(total, 3);
    told.push_back(done);
  };
  const SpanReplay replay(whole, even_weights(whole), {.most = 3, .progress = progress});
  EXPECT_THAT(told, ElementsAre(1, 2, 3));
  told.clear();
  replay.compare(whole, progress);
  EXPECT_THAT(told, ElementsAre(1, 2, 3));
}

TEST_F(SpanReplayTest, WhereTheRangeEndsItSaysSoBeforeItReads) {
  recipe::Signals signals;
  const Context whole = read(engine_->config().context_length - 8, {}, signals);
  bool read_any = false;
  EXPECT_THAT(test::error_of([&] {
                SpanReplay(whole, even_weights(whole),
                           {.most = 3, .progress = [&](Index, Index) { read_any = true; }});
              }),
              HasSubstr("repeating a sample of it takes"));
  EXPECT_FALSE(read_any);
}

}  // namespace
}  // namespace pith
