// What `match` makes of a cache, on a tiny model: how far the answers to queries are from those of
// the whole cache.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/compress.h"
#include "engine/reading.h"
#include "engine/signals/references.h"
#include "recipe/references.h"
#include "recipe/row_kernels.h"
#include "recipe/scene.h"
#include "support/tiny_model.h"

namespace pith {
namespace {

std::shared_ptr<Engine> tiny_engine() {
  static const std::vector<std::byte> file = test::tiny_model({.context = 2048});
  return Engine::from(gguf::File::parse(file, "tiny"), {.threads = 2, .numerics = Numerics::exact});
}

std::vector<Token> some_tokens(Index count) {
  std::vector<Token> tokens;
  for (Index i = 0; i < count; ++i) tokens.push_back(static_cast<Token>((i * i + 11) % 250));
  return tokens;
}

// A document, and what the model revealed while it read.
struct Reading {
  Context context;
  recipe::Signals signals;
};
Reading read(const recipe::SignalNeeds& needs, Index tokens = 400) {
  Context context(tiny_engine());
  recipe::Signals signals = read_document(context, some_tokens(tokens), needs, {});
  return {std::move(context), std::move(signals)};
}

// The relative squared error of what all lanes answer to the replay's queries.
double error_of(const Reading& reading, const std::string& recipe) {
  Context fork = reading.context.fork();
  compress(fork, recipe::Recipe::parse(recipe), reading.signals);
  const recipe::Scene whole(reading.context.cache(), reading.signals, nullptr),
      small(fork.cache(), reading.signals, nullptr);
  const auto answers = [&](const recipe::Scene& scene, Index lane) {
    const recipe::References references = recipe::references_of(
        scene, lane / scene.shape().kv_heads, "repeat", reading.signals.replay_queries[0].wanted);
    const auto p = recipe::reference_weights(scene, lane, references);
    return recipe::product(p, std::ssize(p) / scene.size(lane), scene.values(lane),
                           scene.shape().head_dim);
  };
  double error = 0, norm = 0;
  for (const Index lane : whole.lanes()) {
    const auto y = answers(whole, lane), z = answers(small, lane);
    for (std::size_t i = 0; i < y.size(); ++i) {
      error += (double{y[i]} - z[i]) * (double{y[i]} - z[i]);
      norm += double{y[i]} * y[i];
    }
  }
  return error / norm;
}

TEST(Match, FitsToKeysAsTheyWillBeStored) {
  const Reading reading =
      read({.rotated_moments = true, .replay_plus = true, .replay_queries = {256}});
  const auto error = [&](const std::string& against, const std::string& format) {
    return error_of(reading,
                    "kvzip_plus + global + match(against=" + against + ") + " + format + " @ 4x");
  };
  for (const std::string format :
       {"int4(recent=8, rounding=nearest)", "int4(rotate=none, recent=8, rounding=nearest)"})
    EXPECT_LT(error("stored", format), 0.98 * error("exact", format)) << format;
  for (const std::string format : {"int2(recent=8)", "int2(recent=8, rounding=nearest)"})
    EXPECT_LT(error("stored", format), 0.95 * error("exact", format)) << format;
}

// bf16 keys stay as they are: there is nothing to see anew.
TEST(Match, BothFitsAreOneWithoutRounding) {
  const Reading reading = read({.replay_plus = true, .replay_queries = {256}});
  EXPECT_EQ(error_of(reading, "kvzip_plus + global + match @ 4x"),
            error_of(reading, "kvzip_plus + global + match(against=exact) @ 4x"));
}

TEST(Match, ReferencesComeWithTheSurprisalOfWhatTheyPredict) {
  const Reading reading =
      read({.surprisal = true, .context_queries = {399}, .replay_queries = {1 << 20}}, 400);
  const recipe::Signals& signals = reading.signals;
  ASSERT_EQ(signals.replay_texts.size(), 1u);
  ASSERT_EQ(signals.replay_queries.size(), 1u);
  const recipe::ReferenceQueries& replay = signals.replay_queries[0];
  ASSERT_EQ(replay.count, std::ssize(signals.replay_texts[0].tokens));
  ASSERT_EQ(std::ssize(replay.surprisal), replay.count);
  // The row before the last document token predicts that one.
  EXPECT_EQ(replay.surprisal[replay.surprisal.size() - 2], signals.surprisal[399]);
  EXPECT_EQ(replay.surprisal[replay.surprisal.size() - 401], signals.surprisal[0]);
  EXPECT_EQ(signals.context_queries[0].surprisal[1], signals.surprisal[2]);
}

// What a recipe gets does not depend on what is collected for others beside it.
TEST(Match, SamplesOfDifferentSizesAreCollectedBesideEachOther) {
  const Reading both = read({.context_queries = {30, 7}, .replay_queries = {16, 50}}),
                one = read({.context_queries = {7}, .replay_queries = {50}});
  ASSERT_EQ(both.signals.replay_queries.size(), 2u);
  const auto same = [](const auto& a, const auto& b) {
    EXPECT_EQ(a.wanted, b.wanted);
    EXPECT_EQ(a.count, b.count);
    EXPECT_EQ(a.queries, b.queries);
  };
  same(both.signals.context_queries[1], one.signals.context_queries[0]);
  same(both.signals.replay_queries[1], one.signals.replay_queries[0]);
}

// Pursuit chooses anew, but not against what is pinned; nor does a fit on policy after it.
TEST(Match, PursuitKeepsWhatIsPinned) {
  for (const std::string policy : {"", ", on_policy=2"}) {
    const auto recipe = recipe::Recipe::parse(
        "reference_attention + pins(recent=20) + match(keys=omp, references=64" + policy +
        ") @ 40tok");
    const Reading reading = read(recipe.needs(), 200);
    Context fork = reading.context.fork();
    compress(fork, recipe, reading.signals);
    for (Index lane = 0; lane < fork.cache().shape().lanes(); ++lane) {
      const auto info = fork.cache().read_info(lane);
      EXPECT_EQ(std::ssize(info), 40);
      EXPECT_EQ(std::count_if(info.begin(), info.end(),
                              [](const auto& entry) { return entry.span.begin >= 180; }),
                20);
    }
  }
}

TEST(Match, StudyIsHalfAReplayAndHalfWhatTheModelWrites) {
  const recipe::SignalNeeds needs = {.studies = {{64, 7}}};
  const Reading one = read(needs, 100), same = read(needs, 100),
                other = read({.studies = {{64, 8}}}, 100);
  ASSERT_EQ(one.signals.studies.size(), 1u);
  const recipe::StudySignals& study = one.signals.studies[0];
  EXPECT_EQ(study.references.count, 64);
  EXPECT_EQ(study.replayed, 32);
  EXPECT_EQ(study.texts.size(), 4u);
  EXPECT_EQ(study.references.queries, same.signals.studies[0].references.queries);
  EXPECT_NE(study.texts[0].tokens, other.signals.studies[0].texts[0].tokens);
  for (const auto& text : study.texts) EXPECT_LE(std::ssize(text.tokens), kStudyTokens + 200);
}

TEST(Match, EveryKindOfReferenceMakesAFit) {
  for (const std::string arguments :
       {"queries=self_study, references=64", "weights=surprisal",
        "queries=self_study, weights=surprisal", "keys=omp, weights=surprisal", "on_policy=2",
        "queries=self_study, on_policy=2"}) {
    const std::string recipe = "kvzip_plus + global + match(" + arguments + ") @ 4x";
    Reading reading = read(recipe::Recipe::parse(recipe).needs(), 200);
    const CompressionReport report =
        compress(reading.context, recipe::Recipe::parse(recipe), reading.signals);
    EXPECT_GE(report.ratio(), 4) << recipe;
    EXPECT_LE(report.ratio(), 4.8) << recipe;
  }
}

// The lowest block is what it was; those above are fitted to what they meet behind it.
TEST(Match, OnPolicyFitsTheUpperLayersAnew) {
  Reading reading = read({.replay_plus = true, .replay_queries = {256}}, 200);
  const auto fitted = [&](const std::string& arguments, Index lane) {
    Context fork = reading.context.fork();
    compress(fork, recipe::Recipe::parse("kvzip_plus + global + match" + arguments + " @ 4x"),
             reading.signals);
    std::vector<float> values(static_cast<std::size_t>(fork.cache().size(lane) * 16));
    fork.cache().read_values(lane, values);
    return values;
  };
  EXPECT_EQ(fitted("", 0), fitted("(on_policy=2)", 0));
  EXPECT_EQ(fitted("", 3).size(), fitted("(on_policy=2)", 3).size());
  EXPECT_NE(fitted("", 3), fitted("(on_policy=2)", 3));
  EXPECT_EQ(fitted("", 3), fitted("(on_policy=1)", 3));
}

// With everything kept, layers below change nothing, and references read again are what they were.
TEST(Match, ReferencesReadAgainAreTheSame) {
  const Reading reading = read({.replay_queries = {50}, .studies = {{40, 1}}}, 150);
  const recipe::Signals& signals = reading.signals;
  const auto replay = read_references(reading.context, signals.replay_texts, 50, 0);
  auto study = read_references(reading.context, signals.replay_texts, 20, 0);
  join_queries(study, read_references(reading.context, signals.studies[0].texts, 20, 0), 4);
  EXPECT_EQ(replay.queries, signals.replay_queries[0].queries);
  EXPECT_EQ(study.queries, signals.studies[0].references.queries);
  EXPECT_EQ(study.count, 40);
}

TEST(Match, OnPolicyNeedsReferencesThatCanBeReadAgain) {
  try {
    recipe::Recipe::parse("kvzip + match(queries=context, on_policy=2) @ 4x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("on_policy reads the references again"));
  }
}

}  // namespace
}  // namespace pith
